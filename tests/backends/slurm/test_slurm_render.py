"""Batch scripts: pinned by golden files, which `UPDATE_GOLDEN=1` writes anew."""

import os
import re
import shlex
import string
import subprocess

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from launcher.backends.pasted import PASSWORD, VARIABLE
from launcher.backends.slurm.render import lead_s
from launcher.cluster.slurm import Slurm
from launcher.errors import InvalidInput
from tests.backends.slurm.rendered import CASES, GOLDEN, rendered, submission

SHELL_LINES = 40


@pytest.mark.parametrize("name", CASES)
def test_the_script_is_as_it_was(name):
    file, text = GOLDEN / f"{name}.sbatch", rendered(name)
    if "UPDATE_GOLDEN" in os.environ:
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", CASES)
def test_the_script_is_shell_of_forty_lines_at_the_most(name):
    text = rendered(name)
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert len([line for line in text.splitlines() if not line.startswith("#")]) <= SHELL_LINES


def test_names_of_secrets_are_not_in_the_script():
    assert "WANDB_API_KEY" not in rendered("four-nodes")


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30))
def test_a_variable_of_the_profile_reaches_the_job_as_it_is(value):
    assume(not VARIABLE.search(value) and not PASSWORD.search(value))
    text = rendered("one-node", environment={"NOTE": value})
    (line,) = [line for line in text.splitlines() if line.startswith("export NOTE=")]
    said = subprocess.run(["bash", "-c", f'{line}; printf %s "$NOTE"'], capture_output=True, text=True, check=True)
    assert said.stdout == value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CACHE", "$SCRATCH/hub", "names a variable"),
        ("CACHE", "${SCRATCH}/hub", "names a variable"),
        ("HF_TOKEN", "plugh", "put the name HF_TOKEN into cluster.secrets"),
        ("PROXY", "http://me:plugh@proxy", "has a password in it"),
    ],
)
def test_what_ray_would_change_and_what_nobody_may_read_is_refused_in_variables(name, value, why):
    with pytest.raises(InvalidInput, match=re.escape(why)) as refused:
        rendered("one-node", environment={name: value})
    assert str(refused.value).startswith(f"cluster.environment.{name}: ")


@pytest.mark.parametrize("field", ["partition", "account", "qos", "constraint", "exclude", "reservation", "gres_type"])
@given(bad=st.sampled_from(" \n\r;$`'\"<>\\!#~{}?"), place=st.integers(0, 3))
def test_what_a_shell_would_take_apart_is_refused_in_names(field, bad, place):
    value = f"{'abc'[:place]}{bad}{'abc'[place:]}"
    with pytest.raises(ValidationError):
        submission("one-node", **{field: value})


@given(st.text(string.printable, max_size=20))
def test_no_field_can_add_a_line_to_the_options(text):
    assume(not VARIABLE.search(text))
    fields = dict.fromkeys(("python", "folder"), text)
    try:
        script = rendered("one-node", **fields, environment={"NOTE": text}, setup=[])
    except ValidationError:
        assert set(text) & set("\n\r\x00")
        return
    assert len(script.splitlines()) >= len(rendered("one-node").splitlines())
    options = [line for line in script.split("\n") if line.startswith("#SBATCH")]
    assert [line.split("=")[0] for line in options] == [
        line.split("=")[0] for line in rendered("one-node").splitlines() if line.startswith("#SBATCH")
    ]


def test_slurm_is_asked_to_warn_as_early_as_the_plan_says_or_the_profile():
    assert lead_s(submission("one-node")) == 34
    assert lead_s(submission("constraint")) == 300
    assert lead_s(submission("one-node", lead_seconds=1e9)) == 65_535


def test_words_of_the_training_command_stay_words():
    text = rendered("one-node", python="/opt/my python/bin/python3")
    (line,) = [line for line in text.splitlines() if "launcher.backends.slurm.agent" in line]
    assert shlex.split(line)[:3] == ["/opt/my python/bin/python3", "-m", "launcher.backends.slurm.agent"]


@pytest.mark.parametrize("time", ["30", "1:00:00", "30:00", "2-12", "2-12:30:00"])
def test_times_are_slurms(time):
    assert Slurm(backend="slurm", time=time).time == time


@pytest.mark.parametrize("time", ["", "1h", "30m", "1:0", "1;id", "1:00:00\n#SBATCH --x"])
def test_other_times_are_refused(time):
    with pytest.raises(ValidationError):
        Slurm(backend="slurm", time=time)
