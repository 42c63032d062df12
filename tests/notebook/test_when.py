"""`%carbon when` in a real kernel."""


def test_when_says_the_greenest_start(kernel):
    run = kernel.wait(kernel.submit("%carbon when 3h --within 24h --region US-CA"))
    assert run.status == "ok"
    assert "g/kWh" in run.text
    assert "hour of the day in an average month" in run.text


def test_when_with_pauses_is_a_value(kernel):
    run = kernel.wait(kernel.submit("a = %carbon when 3h --interruptible --region US-CA\nprint(len(a.runs) >= 1)"))
    assert run.text == "True\n"


def test_a_wrong_word_is_one_sentence(kernel):
    run = kernel.wait(kernel.submit("%carbon when 3h --withn 24h --region US-CA"))
    assert run.status == "error"
    assert "--withn is not known" in run.text
    assert "hours='soon'" in kernel.wait(kernel.submit("%carbon when soon --region US-CA")).text
