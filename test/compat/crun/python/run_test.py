"""Lists or runs single tests of crun's suite, whose directory is the first argument.

    run_test.py DIRECTORY list                       lines "module test"
    run_test.py DIRECTORY run MODULE TEST    the suite's own report of that test

The last line of a run says what the test left: containers, which are then removed.
"""

import glob
import importlib
import os
import shutil
import signal
import subprocess
import sys

# Enough for a test that starts a dozen containers, on a busy host.
LIMIT_SECONDS = 150


def list_tests(directory):
    for path in sorted(glob.glob(os.path.join(directory, "test_*.py"))):
        module = os.path.basename(path)[: -len(".py")]
        for test in importlib.import_module(module).all_tests:
            print(module, test)


def run_test(module, test):
    import tests_utils

    tests = importlib.import_module(module).all_tests
    os.makedirs(tests_utils.get_tests_root())
    signal.signal(signal.SIGALRM, over_time)
    signal.alarm(LIMIT_SECONDS)
    try:
        tests_utils.run_all_tests(tests, test)
        sys.stdout.flush()
    finally:
        signal.alarm(0)
        remove_containers(tests_utils)
        shutil.rmtree(tests_utils.get_tests_root())


def over_time(_number, _frame):
    raise TimeoutError("not within %d s" % LIMIT_SECONDS)


def remove_containers(tests_utils):
    """A test that fails half-way leaves its containers, whose mounts keep its directory from being removed."""
    runtime = [tests_utils.get_crun_path(), "--root", tests_utils.get_tests_root_status()]
    left = subprocess.run(runtime + ["list", "--quiet"], capture_output=True, text=True).stdout.split()
    if left:
        print("left: %s" % " ".join(left))
        subprocess.run(runtime + ["delete", "--force"] + left)


directory, command, *rest = sys.argv[1:]
sys.path.insert(0, directory)
os.environ["LANG"] = "C"
if command == "list":
    list_tests(directory)
else:
    run_test(rest[0], rest[1])
