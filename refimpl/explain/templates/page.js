// Set up every panel, draw them in order, and redraw them when the colour scheme or the width changes.

let shows = [];

async function setUp() {
  const numbers = await unpacked(JSON.parse(document.getElementById("data").textContent));
  const hosts = [...document.querySelectorAll("[data-panel]")];
  shows = hosts.map(host => panels[host.dataset.panel](numbers[host.dataset.panel], workspace(host)));
}

async function drawAll() {
  for (const show of shows) await show();
}

function openSource() {
  document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
}

let width = document.documentElement.clientWidth, pending = 0;
window.addEventListener("resize", () => {
  clearTimeout(pending);
  pending = setTimeout(() => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    drawAll();
  }, 150);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
window.addEventListener("hashchange", openSource);
openSource();
setUp().then(drawAll).then(() => { document.documentElement.dataset.ready = "true"; });
