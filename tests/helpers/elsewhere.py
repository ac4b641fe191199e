"""Run by test_portable.py in another process: remove what Windows lacks, then use each part of refimpl."""

import io
import json
import locale
import os
import pkgutil
import signal
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

FUNCTIONS = (
    "sched_getaffinity sched_setaffinity sysconf sysconf_names getloadavg fork forkpty register_at_fork killpg setsid "
    "geteuid getuid getegid getgid getpgid setpgid sync statvfs mkfifo nice wait3 wait4 chown fchmod fchown "
    "pread pwrite posix_fadvise O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_NONBLOCK"
)
SIGNALS = "SIGKILL SIGHUP SIGQUIT SIGALRM SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE alarm setitimer pthread_kill"
PYTHON = f'"{sys.executable}"'  # in a command line: its folder may have a space
MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "psutil", "milvus_lite")


class Absent:
    """Finds nothing by the names of MODULES."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r} on this system", name=name)


def remove_posix() -> None:
    subprocess.Popen.kill = subprocess.Popen.terminate  # as on Windows
    for name in FUNCTIONS.split():
        vars(os).pop(name, None)
    for name in SIGNALS.split():
        vars(signal).pop(name, None)
    for name in MODULES:
        sys.modules.pop(name, None)
    import mmap
    import time

    vars(mmap).pop("MADV_DONTNEED", None)
    vars(time).pop("tzset", None)
    sys.meta_path.insert(0, Absent())
    warnings.filterwarnings("error", category=EncodingWarning, module="refimpl")


def import_everything() -> int:
    import refimpl

    names = [module.name for module in pkgutil.walk_packages(refimpl.__path__, "refimpl.")]
    for name in names:
        if not name.endswith("__main__") and "distributed" not in name:  # dask itself needs psutil
            import_module(name)
    return len(names)


def command(out: Path, *arguments: object) -> int:
    """Exit status of `refimpl`, its output redirected to a file in the locale's encoding."""
    from refimpl.cli import main

    sys.argv = ["refimpl", *map(str, arguments)]
    kept, sys.stdout = sys.stdout, io.TextIOWrapper(out.open("wb"), encoding="cp1252")
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.close()
        sys.stdout = kept
    return 0


def embed(texts: list[str]) -> object:
    from refimpl import MiniLMEmbeddingFunction

    return MiniLMEmbeddingFunction(os.environ["ELSEWHERE_MODEL"]).encode_documents(texts)


def killed() -> str:
    from refimpl.check.targets.base import TargetError
    from refimpl.check.targets.command import CommandTarget

    try:
        CommandTarget(f"{PYTHON} -c 'import time; time.sleep(60)'", timeout_s=0.5).run("embed", ["a"])
    except TargetError as error:
        return str(error).partition(";")[0]
    return "not killed"


def sparse(folder: Path, texts: list[str]) -> None:
    import refimpl

    analyzer = refimpl.build_analyzer("simple")
    fitted = refimpl.BM25EmbeddingFunction(analyzer, texts)
    fitted.save(folder / "bm25.json")
    again = refimpl.BM25EmbeddingFunction(analyzer).load(folder / "bm25.json")
    assert (again.encode_documents(texts) != fitted.encode_documents(texts)).nnz == 0
    index = refimpl.BM25Index.build(texts, analyzer="simple")
    index.save(folder / "index.bm25")
    loaded = refimpl.BM25Index.load(folder / "index.bm25")
    assert (loaded.search(texts)[0] == index.search(texts)[0]).all()


def main(folder: Path, model: Path) -> None:
    remove_posix()
    os.environ["ELSEWHERE_MODEL"] = str(model)
    modules = import_everything()
    from refimpl.common import stamp

    texts = (folder / "texts.txt").read_text(encoding="utf-8").splitlines()
    sparse(folder, texts)
    answers = f"{PYTHON} -c 'import sys; [print(line, end=str()) for line in sys.stdin]'"
    exits = {
        "embed": command(
            folder / "o", "embed", folder / "texts.txt", "--out", folder / "vectors.npy", "--model", model
        ),
        "trace": command(
            folder / "trace.txt", "trace", texts[1], "--model", model, "--save", folder / "trace.safetensors"
        ),
        "export": command(folder / "o", "vectors", "export", folder / "golden", "--format", "json"),
        "inputs": command(folder / "o", "check", "--suite", "tokenizer", "--emit-inputs", folder / "inputs.jsonl"),
        "check": command(folder / "o", "check", "elsewhere:embed", "--case", "question"),
        "list": command(folder / "o", "check", "--list", "--suite", "all"),
        "models": command(folder / "o", "models", "list"),
        "verify": command(folder / "verify.txt", "verify", "--model", model),
    }
    wrong = command(
        folder / "o", "check", "--suite", "tokenizer", "--command", answers, "--json", folder / "check.json"
    )
    assert wrong == 1, wrong
    assert json.loads((folder / "check.json").read_text(encoding="utf-8"))
    done = {
        "encoding": locale.getpreferredencoding(False),
        "modules": modules,
        "machine": stamp.stamp()["machine"],
        "exits": exits,
        "killed": killed(),
    }
    (folder / "done.json").write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
