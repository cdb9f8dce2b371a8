"""Jobs of a real Ray cluster whose driver only says what it was told: all around a run, without the run."""

import sys

import pytest

from tests.backends.ray_jobs.ray_hosts import PLANTED, ray_hosts

LINE = "-m launcher run {runs}/said/recipe.yaml --cluster {runs}/said/profile-1.yaml --run-id said"


def test_a_job_is_sent_followed_and_found_by_its_run(tmp_path):
    with ray_hosts(tmp_path, ["head"], python="echo", nodes=1) as bench:
        assert bench.submit("said") == "said-a1"
        line = LINE.format(runs=tmp_path / "runs")
        assert line in bench.done("logs", "said", "--follow").splitlines()
        assert bench.state("said") == "done"
        described = bench.described()
        assert "said-a1" in described
        assert "MOOD" in described
        assert PLANTED not in described
        assert bench.head.run("grep", "-rlIF", PLANTED, "/tmp/ray").returncode == 1


@pytest.mark.slow
def test_a_job_is_sent_once_ended_and_sent_again_after_its_end(tmp_path):
    with ray_hosts(tmp_path, ["head"]) as bench:
        sleeps = tmp_path / "sleeps"
        sleeps.write_text("#!/bin/sh\necho begun\nexec sleep 600\n")
        sleeps.chmod(0o755)
        bench.write("sleeps.yaml", python=str(sleeps), nodes=1)
        assert bench.submit("long", profile="sleeps.yaml") == "long-a1"
        bench.until(lambda: bench.state("long") == "running", "the driver runs")
        again = bench.launcher("submit", "small.yaml", "--cluster", "sleeps.yaml", "--run-id", "long")
        assert again.returncode == 2
        assert "long-a1" in again.stderr
        bench.done("cancel", "long")
        bench.until(lambda: bench.state("long") == "failed", "the driver has ended")
        assert "begun" in bench.done("logs", "long").splitlines()
        ended = bench.launcher("cancel", "long")
        assert ended.returncode == 2
        assert "no job of this run is alive" in ended.stderr
        assert bench.submit("long", profile="sleeps.yaml") == "long-a2"
        bench.done("cancel", "long")


@pytest.mark.slow
def test_the_cluster_runs_a_copy_of_the_working_directory(tmp_path):
    code = tmp_path / "code"
    (code / "launcher").mkdir(parents=True)
    (code / "launcher" / "__init__.py").touch()
    (code / "launcher" / "__main__.py").write_text("print('the copy of', __file__.rpartition('/')[2])")
    (code / "data").mkdir()
    (code / "data" / "rows.csv").write_text("left at home")
    with ray_hosts(tmp_path, ["head"], python=sys.executable, working_dir=str(code), nodes=1) as bench:
        bench.submit("copied")
        assert "the copy of __main__.py" in bench.done("logs", "copied", "-f").splitlines()


@pytest.mark.slow
def test_another_clusters_token_is_told_before_anything_is_written(tmp_path):
    with ray_hosts(tmp_path, ["head"]) as bench:
        stranger = {**bench.environment, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "another")}
        (tmp_path / "another").write_text("0" * 64)
        words = (sys.executable, "-m", "launcher", "submit", "small.yaml", "--cluster", "ray.yaml", "--run-id", "never")
        refused = bench.head.run(*words, folder=tmp_path, environment=stranger)
        assert refused.returncode == 2, refused.stderr
        assert "does not take the token" in refused.stderr
        assert not (tmp_path / "runs" / "never").exists()
