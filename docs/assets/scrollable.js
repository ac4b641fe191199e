// Let the keyboard scroll a table that is wider than its box: the theme's box is no stop of the Tab key.
// Where the table fits, its box is none, so that Tab does not stop at every table.
(() => {
  const BOX = ".md-typeset__scrollwrap";

  const name = box => {
    let heading = "";
    for (const one of document.querySelectorAll(".md-content :is(h1, h2, h3, h4)"))
      if (one.compareDocumentPosition(box) & Node.DOCUMENT_POSITION_FOLLOWING)
        heading = one.firstChild?.textContent.trim() || heading;
    return heading ? `Table: ${heading}` : "Table";
  };

  const adapt = box => {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", name(box));
    } else ["tabindex", "role", "aria-label"].forEach(attribute => box.removeAttribute(attribute));
  };

  const sizes = new ResizeObserver(entries => entries.forEach(entry => adapt(entry.target)));
  const observed = new WeakSet();
  const observe = () => {
    for (const box of document.querySelectorAll(BOX))
      if (!observed.has(box)) {
        observed.add(box);
        sizes.observe(box);
        adapt(box);
      }
  };

  new MutationObserver(observe).observe(document.body, { childList: true, subtree: true }); // the theme adds boxes late
  observe();
})();
