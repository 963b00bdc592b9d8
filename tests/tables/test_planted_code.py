"""A folder of data may hold anything, also files named as Python's modules: nothing of it is
run.
"""

import os
import shutil
import subprocess
import sys

import pytest

FILES = ("pickle.py", "sitecustomize.py", "usercustomize.py", "json.py", "multiprocessing.py")
PACKAGES = ("concurrent", "numpy", "tensorflow", "keras", "nasnet_tf")


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """The current folder, full of modules that leave a file `ran` when they are imported."""
    for name in (*FILES, *(f"{package}/__init__.py" for package in PACKAGES)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r}); raise SystemExit('planted')"
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, **variables):
    """A process in the current folder, without what would be found beside the tests."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    } | variables
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)


def script(folder, code):
    """A script in a folder of its own, run from the current one."""
    elsewhere = folder.parent / f"{folder.name}_script"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "script.py").write_text(code)
    return str(elsewhere / "script.py")


def assert_unharmed(done, folder):
    assert done.returncode == 0, done.stderr
    assert not (folder / "ran").exists(), (folder / "ran").read_text()


CALL = (
    "from nasnet_tf.evaluation import Worker\nwith Worker() as worker:\n   "
    " print(worker.run(divmod, 17, 5))\n"
)
IMPORT = (
    "from nasnet_tf.evaluation import Worker\nwith Worker() as worker:\n    worker.run(exec,"
    " 'import {}')\n"
)


def test_a_worker_runs_nothing_of_the_current_folder(planted, repository):
    done = run(sys.executable, script(planted, CALL), PYTHONPATH=repository)
    assert_unharmed(done, planted)
    assert done.stdout.strip() == "(3, 2)"


def test_what_a_worker_starts_runs_nothing_of_it_either(planted, repository):
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no PYTHONSAFEPATH")
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import pickle'],"
        " check=True)"
    )
    call = (
        "from nasnet_tf.evaluation import Worker\nwith Worker() as worker:\n    worker.run(exec,"
        f" {code!r})\n"
    )
    assert_unharmed(run(sys.executable, script(planted, call), PYTHONPATH=repository), planted)


def test_compare_runs_nothing_of_the_current_folder(planted, repository):
    code = "import sys; from nasnet_tf.cli.main import main; sys.exit(main(sys.argv[1:]))"
    asked = ("compare", "--runs", "2", "--budget", "3", "--strategies", "random", "--workers", "2")
    assert_unharmed(
        run(sys.executable, script(planted, code), *asked, PYTHONPATH=repository), planted
    )


def test_python_m_replaces_no_module_by_one_of_the_current_folder(planted, repository):
    shutil.rmtree(planted / "nasnet_tf")  # which Python itself would run in place of the package
    asked = ("compare", "--runs", "2", "--budget", "3", "--strategies", "random", "--workers", "2")
    assert_unharmed(run(sys.executable, "-m", "nasnet_tf", *asked, PYTHONPATH=repository), planted)


@pytest.mark.slow
def test_search_runs_nothing_of_the_current_folder(planted, repository):
    code = "import sys; from nasnet_tf.cli.main import main; sys.exit(main(sys.argv[1:]))"
    asked = (
        "search",
        "digits",
        "--max-trials",
        "1",
        "--blocks",
        "1",
        "--child-epochs",
        "1",
        "--num-cells",
        "1",
        "--filters",
        "4",
        "--epochs",
        "1",
        "--prejudge",
        "parameters",
        "--no-baseline",
    )
    assert_unharmed(
        run(sys.executable, script(planted, code), *asked, PYTHONPATH=repository), planted
    )


def test_a_module_beside_the_script_is_found_by_its_workers(planted, repository):
    path = script(planted, IMPORT.format("beside"))
    with open(os.path.join(os.path.dirname(path), "beside.py"), "w") as file:
        file.write("")
    assert_unharmed(run(sys.executable, path, PYTHONPATH=repository), planted)


def test_a_module_of_pythonpath_is_found_by_workers(planted, repository, tmp_path_factory):
    more = tmp_path_factory.mktemp("more")
    (more / "of_pythonpath.py").write_text("")
    path = os.pathsep.join((repository, str(more)))
    assert_unharmed(
        run(sys.executable, script(planted, IMPORT.format("of_pythonpath")), PYTHONPATH=path),
        planted,
    )


def test_where_the_parent_imports_from_the_current_folder_it_replaces_nothing_in_workers(
    tmp_path, monkeypatch, repository
):
    (tmp_path / "of_a_notebook.py").write_text("")
    monkeypatch.chdir(tmp_path)
    code = IMPORT.format("of_a_notebook").replace(
        "with Worker", "open('pickle.py', 'w').write('raise SystemExit(1)')\nwith Worker"
    )
    done = run(sys.executable, "-c", code, PYTHONPATH=repository)
    assert done.returncode == 0, done.stderr
