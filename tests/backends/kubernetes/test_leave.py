"""Which process a pod's preStop hook takes for Ray's; the hook itself runs in tests/backends/ray_jobs."""

from launcher.backends.kubernetes.leave import Raylet, driver_runs, find_raylet

STAT = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21"
RAYLET = ["/opt/ray/core/raylet/raylet", "--raylet_socket_name=/tmp/s", "--node_id=ab12", "--gcs-address=10.0.0.1:6379"]


def process(folder, number: int, *words: str, name: str = "raylet"):
    (folder / str(number)).mkdir()
    (folder / str(number) / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    (folder / str(number) / "stat").write_text(f"{number} ({name}){STAT}")


def test_the_raylet_is_found_by_its_own_words_among_others(tmp_path):
    process(tmp_path, 7, "python", "-m", "raylet", "--node_id=no", "--gcs-address=no")
    process(tmp_path, 8, "")
    process(tmp_path, 9, *RAYLET, name="ray (let) x")
    (tmp_path / "10").mkdir()  # it has just ended
    (tmp_path / "self").mkdir()
    assert find_raylet(tmp_path) == Raylet(9, "4242", "ab12", "10.0.0.1:6379", head=False)


def test_a_pod_without_ray_has_none(tmp_path):
    process(tmp_path, 9, "/opt/ray/core/raylet/raylet", "--version")
    assert find_raylet(tmp_path) is None


def test_the_head_knows_itself_and_its_driver(tmp_path):
    process(tmp_path, 9, *RAYLET, "--head")
    process(tmp_path, 10, "/bin/sh", "-c", "launcher run s3://b/r/recipe.yaml --run-id r")
    found = find_raylet(tmp_path)
    assert found is not None
    assert found.head
    assert not driver_runs(tmp_path)
    process(tmp_path, 11, "python", "/venv/bin/launcher", "run", "s3://b/r/recipe.yaml", "--run-id", "r", name="python")
    assert driver_runs(tmp_path)
