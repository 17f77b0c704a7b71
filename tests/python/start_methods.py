"""Starts children in every way there is, and says what each of them was given.

    python start_methods.py [--in-code TRACE] FOLDER WAY…

What is printed must be the same with and without recording: test_children.py compares.
Each way is a function `way_NAME`, so that a trace tells which processes came from it.
"""

import contextlib
import multiprocessing
import os
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

PYTHON = sys.executable
warnings.simplefilter("ignore")  # forks of a program with threads: the point here

# What a child says of itself. Its stdin is read, and bytes of all values are written.
PROBE = r"""
import os, sys
def probe(depth=0):
    env = {k: v for k, v in os.environ.items() if k != "MAREY_TRACE"}
    print(sys.argv, sys.orig_argv[1:], sys.path, __name__, globals().get("__file__"))
    print(sys.executable, sys.flags, os.getcwd(), sorted(env.items()))
    print(sorted(n for n in globals()), sys.modules["__main__"].__dict__ is globals())
    print(sys.stdin.read().encode("utf-8", "surrogateescape") if sys.stdin else None)
    sys.stdout.flush()
    sys.stdout.buffer.write(bytes(range(256)) + b"\n")
    sys.stdout.flush()
    sys.stderr.buffer.write(bytes(range(255, -1, -1)) + b"\n")
    sys.exit(7)
probe()
"""


def say(*things: object) -> None:
    print(*things, flush=True)


def run(command: object, **options: object) -> None:
    options.setdefault("input", b"some \xff\n input")
    done = subprocess.run(command, capture_output=True, check=False, **options)
    say(done.returncode, done.stdout, done.stderr)


def ended(pid: int) -> None:
    say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def work(number: int = 0) -> int:
    return len("x" * number)


# ---- by hand ----


def way_fork() -> None:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(4)
    ended(pid)


def way_fork_that_returns() -> None:
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit(5)
    ended(pid)


def way_fork_in_thread() -> None:
    thread = threading.Thread(target=way_fork)
    thread.start()
    thread.join()


def way_fork_killed() -> None:
    pid = os.fork()
    if pid == 0:
        work()
        os.kill(os.getpid(), signal.SIGKILL)
    ended(pid)


def way_fork_terminated() -> None:
    pid = os.fork()
    if pid == 0:
        work()
        os.kill(os.getpid(), signal.SIGTERM)
    ended(pid)


def way_fork_raises() -> None:
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        raise ValueError("in a child")
    ended(pid)


def way_waitid() -> None:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(6)
    found = os.waitid(os.P_PID, pid, os.WEXITED)
    say(found and (found.si_status, found.si_code == os.CLD_EXITED))


def way_outlives() -> None:
    """The grandchild ends when its parent and its grandparent's wait are long over."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.05)
            work()
            os.write(writer, b"still here")
            os._exit(0)
        os._exit(0)
    os.close(writer)
    ended(pid)
    say(os.read(reader, 100), os.read(reader, 100))
    os.close(reader)


def way_exec() -> None:
    pid = os.fork()
    if pid == 0:
        os.execv(PYTHON, [PYTHON, "-c", "import sys; sys.exit(8)"])
    ended(pid)


def way_exec_bare() -> None:
    pid = os.fork()
    if pid == 0:
        os.execve(PYTHON, [PYTHON, "-c", "import sys; sys.exit(9)"], {})
    ended(pid)


def way_exec_fails() -> None:
    for call in (
        lambda: os.execv("/no/such/program", ["x"]),
        lambda: os.execve(os.devnull, ["x"], {}),
        lambda: os.execvp("no-such-program-anywhere", ["x"]),
        lambda: os.execv(PYTHON, []),
    ):
        try:
            call()
        except (OSError, ValueError) as error:
            say(type(error).__name__, error)
    say(os.execve in os.supports_fd, len(os.supports_fd))
    say(";from=" in os.environ.get("MAREY_TRACE", ""))


def way_spawnv() -> None:
    say(os.spawnv(os.P_WAIT, PYTHON, [PYTHON, "-c", "import sys; sys.exit(2)"]))
    say(os.spawnve(os.P_WAIT, PYTHON, [PYTHON, "-c", "import sys; sys.exit(2)"], {}))


def way_posix_spawn() -> None:
    code = "import sys, os; sys.exit(len(os.environ.get('A', '')))"
    for env in (dict(os.environ, A="abc"), {"A": "ab"}, {b"A": b"a"}, {}, os.environ):
        ended(os.posix_spawn(PYTHON, [PYTHON, "-c", code], env))
    ended(os.posix_spawnp("true", ["true"], {"PATH": os.environ["PATH"]}))


def way_posix_spawn_fails() -> None:
    for path, env in (("/no/such", {}), (PYTHON, {1: 2}), (PYTHON, 5)):
        try:
            os.posix_spawn(path, [path], env)
        except (OSError, TypeError) as error:
            say(type(error).__name__, error)


def way_system() -> None:
    code = "import os; print(sorted(set(os.environ) - {'MAREY_TRACE', '_'}))"
    say(os.system(f"{shlex.quote(PYTHON)} -c {shlex.quote(code)}; exit 3"))
    say(os.system("exit 4"))


# ---- subprocess ----


def way_list() -> None:
    run([PYTHON, "-c", PROBE, "a", "-b", "--", "\udcff", "", " "])


def way_shell() -> None:
    Path("probe.py").write_text(PROBE)
    run(f"{shlex.quote(PYTHON)} probe.py 'a b'; exit 5", shell=True)


def way_path() -> None:
    Path("probe.py").write_text(PROBE)
    run([Path(PYTHON), Path("probe.py")])


def way_bytes() -> None:
    Path("probe.py").write_text(PROBE)
    run([os.fsencode(PYTHON), b"probe.py", b"\xff"])


def way_other_folder() -> None:
    Path("inner").mkdir(exist_ok=True)
    Path("inner/probe.py").write_text(PROBE)
    run([PYTHON, "probe.py"], cwd="inner")


def way_env() -> None:
    run([PYTHON, "-c", PROBE], env={**os.environ, "MINE": "1"})


def way_no_env() -> None:
    run([PYTHON, "-c", PROBE], env={})


def way_isolated() -> None:
    run([PYTHON, "-I", "-E", "-c", PROBE], env={"PYTHONPATH": "/nowhere"})


def way_module() -> None:
    Path("probe_module.py").write_text(PROBE)
    run([PYTHON, "-m", "probe_module", "-m", "x"])


def way_zipapp() -> None:
    with zipfile.ZipFile("probe.pyz", "w") as file:
        file.writestr("__main__.py", PROBE)
    run([PYTHON, "probe.pyz", "x"])


def way_stdin_program() -> None:
    run([PYTHON, "-", "x"], input=PROBE.replace("sys.stdin.read()", "''").encode())


def way_console_script() -> None:
    script = Path("a-command")
    script.write_text(f"#!{PYTHON}\n{PROBE}")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    run([script.resolve(), "x"])


def way_preexec() -> None:
    run([PYTHON, "-c", PROBE], preexec_fn=lambda: os.putenv("FRUIT", "apple"))


def way_not_python() -> None:
    run(["cat"])
    with contextlib.suppress(FileNotFoundError):
        run(["/no/such/program"])


def way_other_interpreter() -> None:
    """Without Marey: it is left alone."""
    run([sys._base_executable, "-c", PROBE])


def way_other_environment() -> None:
    """A virtual environment that has no Marey."""
    command = [sys._base_executable, "-m", "venv", "--without-pip", "other"]
    subprocess.run(command, env={**os.environ, "MAREY_TRACE": ""}, check=True)
    run([Path("other/bin/python").resolve(), "-c", PROBE])


def way_no_site() -> None:
    """Nothing of site-packages runs, so nothing boots there; its own child is found."""
    run([PYTHON, "-S", "-c", PROBE])
    code = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', ''"
    run([PYTHON, "-S", "-c", code + "]))"])


def way_program_between() -> None:
    """A program that is no Python hands on what it was given."""
    run(["sh", "-c", f'{shlex.quote(PYTHON)} -c "import sys; sys.exit(6)"; exit 5'])


def way_three_deep() -> None:
    code = PROBE
    for _ in range(2):
        code = (
            "import subprocess, sys\n"
            "def nested():\n"
            f"    return subprocess.run([sys.executable, '-c', {code!r}], env={{}})\n"
            "done = nested()\nprint(done.returncode)\nsys.exit(done.returncode + 1)\n"
        )
    run([PYTHON, "-c", code])


# ---- multiprocessing ----


def processes(method: str, **options: object) -> None:
    process = multiprocessing.get_context(method).Process(
        target=work, args=(3,), **options
    )
    process.start()
    process.join()
    say(process.exitcode)


def way_mp_fork() -> None:
    processes("fork")


def way_mp_spawn() -> None:
    processes("spawn")


def way_mp_forkserver() -> None:
    processes("forkserver")
    processes("forkserver")


def nested() -> None:
    """Asks the same server as its own parent."""
    processes("forkserver")


def way_mp_forkserver_nested() -> None:
    process = multiprocessing.get_context("forkserver").Process(target=nested)
    process.start()
    process.join()
    say(process.exitcode)


def way_mp_daemon() -> None:
    processes("fork", daemon=True)


def way_mp_terminate() -> None:
    reader, writer = os.pipe()
    process = multiprocessing.get_context("fork").Process(
        target=lambda: (os.write(writer, b"here"), time.sleep(60))
    )
    process.start()
    os.read(reader, 4)
    process.terminate()
    process.join()
    say(process.exitcode)


def way_pool() -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        say(pool.map(work, range(5)))
        pool.close()
        pool.join()


def way_pool_spawn() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        say(pool.map(work, range(5)))
        pool.close()
        pool.join()


def way_executor() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        say(list(executor.map(work, range(5))))


def main(folder: str, *ways: str) -> None:
    os.chdir(folder)
    for way in ways:
        say("==", way)
        globals()["way_" + way]()
    say(sorted(set(os.environ) - {"MAREY_TRACE"}), os.getcwd())


if __name__ == "__main__":
    if sys.argv[1] == "--in-code":
        import marey

        with marey.record(sys.argv[2]):
            main(*sys.argv[3:])
    else:
        main(*sys.argv[1:])
