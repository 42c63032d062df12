"""Loading, unloading, on, off; and what a host keeps for itself."""

import json

HOST = """
def look():
    import logging, signal, sys, threading, warnings
    ip = get_ipython()
    loggers = {n: l for n, l in logging.root.manager.loggerDict.items() if isinstance(l, logging.Logger)}
    return {
        "loggers": {n: [l.level, len(l.handlers), l.propagate, l.disabled] for n, l in loggers.items()},
        "root": [logging.root.level, len(logging.root.handlers)],
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "hooks": [str(sys.excepthook), str(sys.displayhook), str(sys.stdout), str(sys.stderr)],
        "filters": len(warnings.filters),
        "callbacks": {name: len(found) for name, found in ip.events.callbacks.items()},
        "transformers": len(ip.input_transformers_cleanup) + len(ip.input_transformers_post),
        "magics": sorted(m for kind in ip.magics_manager.magics.values() for m in kind if "carbon" in m),
        "configurables": [str(type(c)) for c in ip.configurables if "jupyter_carbon" in str(type(c))],
        "threads": threading.active_count(),
    }
"""


def test_loading_prints_one_line(start, spec):
    run = start(spec).run("%load_ext jupyter_carbon")
    assert run.status == "ok"
    assert [kind for kind, _ in run.outputs] == ["stream"]
    assert run.text.count("\n") == 1
    assert run.text.endswith("\n")


def test_loading_twice_is_loading_once(start, spec):
    kernel = start(spec)
    kernel.run("%load_ext jupyter_carbon")
    assert kernel.run("%load_ext jupyter_carbon").status == "ok"
    assert kernel.run("import jupyter_carbon; jupyter_carbon.load_ipython_extension(get_ipython())").status == "ok"
    run = kernel.run("%%carbon once\n1")
    assert kernel.row(run)["label"] == "once"
    assert run.kinds.count("display_data") == 1


def test_unloading_leaves_the_kernel_as_it_was(start, spec):
    kernel = start(spec)
    kernel.run(HOST)
    kernel.run("1")
    before = kernel.value("look()")
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("%%carbon\n1")
    assert kernel.run("%unload_ext jupyter_carbon").status == "ok"
    after = kernel.value("look()")
    assert after.pop("loggers").items() >= before.pop("loggers").items()
    assert after == before
    gone = len(kernel.rows())
    assert kernel.run("1").status == "ok"
    assert kernel.run("%%carbon gone\n1").status == "error"
    assert len(kernel.rows()) == gone


def test_it_can_be_loaded_again(start, spec):
    kernel = start(spec)
    for code in ("%load_ext jupyter_carbon", "%unload_ext jupyter_carbon", "%load_ext jupyter_carbon"):
        assert kernel.run(code).status == "ok"
    assert kernel.row(kernel.run("%%carbon back\n1"))["label"] == "back"


def test_reloading_keeps_one_row_a_cell(start, spec):
    kernel = start(spec)
    kernel.run("%load_ext jupyter_carbon")
    assert kernel.run("%reload_ext jupyter_carbon").status == "ok"
    assert kernel.row(kernel.run("1"))["status"] == "ok"


def test_the_host_keeps_its_loggers_signals_and_streams(start, spec):
    kernel = start(spec)
    kernel.run(HOST)
    before = kernel.value("look()")
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("%%carbon\n1")
    kernel.run("%carbon")
    after = kernel.value("look()")
    for kept in ("root", "signals", "hooks", "filters"):
        assert after[kept] == before[kept], kept
    ours = {name: logger for name, logger in after["loggers"].items() if name not in before["loggers"]}
    assert {name: after["loggers"][name] for name in before["loggers"]} == before["loggers"]
    assert {tuple(logger) for logger in ours.values()} <= {(0, 0, True, False)}  # no level, no handler of ours


def test_nothing_of_ours_is_in_the_users_namespace(start, spec):
    kernel = start(spec)
    kernel.run("mine = 1")
    before = set(kernel.value("sorted(globals())"))
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("%%carbon named\nmine")
    kernel.run("%carbon")
    added = set(kernel.value("sorted(globals())")) - before
    assert {name for name in added if name.strip("_i0123456789") != ""} == set()


def test_off_means_off_and_on_means_on(kernel):
    off = kernel.run("%carbon off")
    unmetered = kernel.run("1")
    on = kernel.run("%carbon on")
    metered = kernel.run("1")
    assert (off.status, on.status) == ("ok", "ok")
    assert kernel.rows_of(unmetered) == []
    assert kernel.row(metered)["status"] == "ok"


def test_a_named_cell_is_metered_while_the_rest_is_off(kernel):
    kernel.run("%carbon off")
    named = kernel.run("%%carbon named while off\n1")
    kernel.run("%carbon on")
    assert kernel.row(named)["label"] == "named while off"


def test_the_session_so_far_is_shown_on_request(kernel):
    kernel.run("%%carbon told later\n1")
    told = kernel.run("%carbon")
    assert told.status == "ok"
    assert "Wh" in told.text
    assert "CO₂e" in told.text


def test_history_shows_labels(kernel):
    kernel.run("%%carbon in the history\n1")
    told = kernel.run("%carbon history")
    assert told.status == "ok"
    assert "in the history" in json.dumps([content for _, content in told.outputs], ensure_ascii=False)


def test_doctor_says_what_is_measured_and_what_is_not(kernel):
    told = kernel.run("%carbon doctor")
    assert told.status == "ok"
    assert "cpu" in told.text.lower()
    assert any(word in told.text for word in ("measured", "modelled"))


def test_a_mistyped_word_names_near_matches(kernel):
    told = kernel.run("%carbon docter")
    assert "doctor" in told.text


def test_a_region_set_by_config_holds_from_the_next_cell(kernel):
    assert kernel.run("%config Carbon.region = 'SE'").status == "ok"
    swedish = kernel.run("1")
    kernel.run("%config Carbon.region = 'FR'")
    french = kernel.run("1")
    assert [row["intensity"]["region"] for row in kernel.rows_of(swedish, french)] == ["SE", "FR"]


def test_the_magic_explains_itself(kernel):
    told = kernel.run("%%carbon?")
    (page,) = told.reply["payload"]
    assert "--region" in page["data"]["text/plain"]
