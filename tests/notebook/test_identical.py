"""With the extension loaded a notebook is what it was without it, message for message."""

import re

import pytest
from kernels import Kernel

CORPUS = [
    "6 * 7",
    "6 * 7;",
    "print('out'); import sys; print('err', file=sys.stderr)",
    "def divide(a, b):\n    return a / b\n\ndivide(1, 1)",
    "divide(1, 0)",
    "try:\n    1 / 0\nexcept ZeroDivisionError as err:\n    raise ValueError('chained') from err",
    "def broken(:\n    pass",
    "if True:\nprint('indent')",
    "raise SystemExit(3)",
    "raise KeyboardInterrupt",
    "import asyncio\nawait asyncio.sleep(0, 'awaited')",
    "await asyncio.sleep(0)\n1 / 0",
    "async for i in (x async for x in __import__('builtins').aiter([1])): print(i)",
    "[_, __, len(In), sorted(Out)]",
    "%%capture caught\nprint('inside')",
    "caught.stdout",
    "%%time\n6 * 7",
    "%timeit -n1 -r1 pass",
    "%%bash\necho shell; exit 2",
    "!echo $HOME | wc -l",
    "%%writefile corpus.py\nprint('from a file')",
    "%run corpus.py",
    "from IPython.display import display, HTML, clear_output\ndisplay(HTML('<b>bold</b>'), 7)",
    "handle = display('first', display_id='slot'); handle.update('second'); clear_output(wait=True)",
    "get_ipython().run_cell('nested = 41; nested + 1')",
    "get_ipython().run_cell('1 / 0')",
    "%rerun 2",
    "divide?",
    "get_ipython().set_next_input('1 + 1')",
    "input('no one answers')",
    "import warnings; warnings.warn('careful', stacklevel=1)",
    "",
    "   ",
    "# nothing",
    "%no_such_magic",
    "%%no_such_cell_magic\n1",
    "%who",
    "sorted(globals())",
    "%precision 3",
    "1 / 3",
    "from IPython.core.error import StdinNotImplementedError\nraise StdinNotImplementedError('quiet')",
    "%xmode Minimal",
    "divide(1, 0)",
]


@pytest.fixture(scope="module")
def both(spec, tmp_path_factory):
    """The corpus in a plain kernel and in one that meters, each after one first cell."""
    from_plain = _tell(spec, "pass", tmp_path_factory.mktemp("plain"))
    from_metered = _tell(spec, "%load_ext jupyter_carbon", tmp_path_factory.mktemp("metered"))
    return list(zip(CORPUS, from_plain, from_metered, strict=True))


@pytest.mark.parametrize("n", range(len(CORPUS)), ids=[f"{n}-{code[:20]!r}" for n, code in enumerate(CORPUS)])
def test_messages_are_the_same_with_and_without(both, n):
    _, plain, metered = both[n]
    assert metered == plain


def _tell(spec, first, folder):
    """Replies and iopub messages of the corpus, ids and clocks aside."""
    kernel = Kernel(spec, folder)
    try:
        assert kernel.run(first).status == "ok"
        runs = [kernel.run(code) for code in CORPUS]
    finally:
        kernel.stop()
    return [_scrub([run.reply, _joined(run.iopub)]) for run in runs]


def _joined(iopub):
    """Text between two other messages, by stream: how it is cut into messages is ipykernel's timer's."""
    joined = []
    for kind, content in iopub:
        if kind != "stream":
            joined.append([kind, content])
            continue
        if not joined or joined[-1][0] != "streams":
            joined.append(["streams", {}])
        texts = joined[-1][1]
        texts[content["name"]] = texts.get(content["name"], "") + content["text"]
    return joined


def _scrub(told):
    """Numbers that differ between any two kernels: ids, addresses, process numbers, seconds."""
    if isinstance(told, dict):
        return {k: _scrub(v) for k, v in told.items() if k not in ("engine_info", "engine_uuid", "started")}
    if isinstance(told, (list, tuple)):
        return [_scrub(v) for v in told]
    if isinstance(told, str):
        told = re.sub(r"\b(0x[0-9a-f]+|[0-9a-f]{12})\b", "0x", told)
        told = re.sub(r"ipykernel_\d+[/_]\d+", "ipykernel", told)
        return re.sub(r"[\d.e+]+ (ns|[µμu]s|ms|s)\b", "T", told)
    return told
