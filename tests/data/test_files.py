import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from filmgrid.data import files
from filmgrid.data.files import atomic_folder, atomic_path, check_place, natural_key
from filmgrid.errors import MediaError

NOBODY = 65534


def refuse(number: int):
    """Something to put in place of a call that the operating system refuses."""

    def refused(*_: object, **__: object):
        raise OSError(number, os.strerror(number))

    return refused


def test_numbers_in_names_count_as_numbers():
    names = [f"img{index}.png" for index in range(120)] + ["IMG007b.png", "a.png", "z1.png"]
    shuffled = random.Random(0).sample(names, len(names))
    in_order = sorted(shuffled, key=natural_key)
    assert in_order[0] == "a.png"
    assert in_order[-1] == "z1.png"
    assert [name for name in in_order if name.startswith("img")] == names[:120]
    assert in_order.index("IMG007b.png") == in_order.index("img7.png") + 1


def test_names_of_equal_numbers_have_one_order():
    names = ["a01", "a1", "A1", "a001"]
    orders = {tuple(sorted(random.Random(n).sample(names, 4), key=natural_key)) for n in range(9)}
    assert len(orders) == 1


def test_a_file_appears_whole_with_the_folders_above_it(tmp_path: Path):
    final = tmp_path / "new" / "deep" / "out.txt"
    with atomic_path(final) as part:
        part.write_text("whole")
        assert not final.exists()
    assert final.read_text() == "whole"
    assert list(final.parent.iterdir()) == [final]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), ValueError(), KeyboardInterrupt()]
)
def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, error: BaseException
):
    final = tmp_path / "out.txt"
    final.write_text("earlier")
    with pytest.raises((MediaError, type(error))), atomic_path(final) as part:
        part.write_text("half")
        raise error
    assert final.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "read-only or not yours"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_the_system_refuses_becomes_a_sentence_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
):
    final = tmp_path / "out.txt"
    monkeypatch.setattr(Path, "touch", refuse(number))
    with pytest.raises(MediaError, match=words) as caught, atomic_path(final):
        pass
    assert str(final) in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no such permissions")
def test_a_read_only_folder_is_refused(tmp_path: Path):
    """Root may write anywhere, so where the tests run as root they step down for a moment."""
    tmp_path.chmod(0o500)
    place, user = tmp_path / "out.txt", os.geteuid()
    if user == 0:
        place = Path(tmp_path.anchor) / "filmgrid-read-only-test.txt"
        os.seteuid(NOBODY)
    try:
        with pytest.raises(MediaError, match="read-only"):
            check_place(place)
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_a_file_cannot_be_written_below_a_file_or_over_a_folder(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "out.txt", tmp_path / "file" / "deep" / "out.txt"):
        with pytest.raises(MediaError, match="is a file, not a folder"):
            check_place(place)
        with pytest.raises(MediaError, match="is a file, not a folder"), atomic_path(place):
            pass
    with pytest.raises(MediaError, match="is a folder"), atomic_path(tmp_path):
        pass
    with pytest.raises(MediaError, match="is a folder; name a file"):
        check_place(tmp_path)


def test_a_place_is_tried_without_leaving_a_trace(tmp_path: Path):
    check_place(tmp_path / "new" / "deep" / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole_and_replaces_only_what_may_go(tmp_path: Path):
    final = tmp_path / "out"
    with atomic_folder(final) as part:
        (part / "a").write_text("1")
        assert not final.exists()
    assert (final / "a").read_text() == "1"
    with pytest.raises(MediaError, match="already holds other files"), atomic_folder(final):
        pass
    with atomic_folder(final, lambda _: True) as part:
        (part / "b").write_text("2")
    assert [path.name for path in final.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_fails_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    final = tmp_path / "out"
    final.mkdir()
    (final / "a").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(final, lambda _: True) as part:
        (part / "b").write_text("2")
        raise RuntimeError
    replace = os.replace

    def fail_to_move_in(source: Path, target: Path) -> None:
        if target == final and ".part-" in source.name:
            refuse(errno.EIO)()
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", fail_to_move_in)
    with pytest.raises(MediaError), atomic_folder(final, lambda _: True) as part:
        (part / "b").write_text("2")
    assert (final / "a").read_text() == "1"
    assert list(tmp_path.iterdir()) == [final]


def test_the_current_folder_and_files_are_not_replaced_by_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for place in (Path("."), tmp_path.parent):
        with pytest.raises(MediaError, match="the folder you are in"), atomic_folder(place):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="is a file"), atomic_folder(tmp_path / "file"):
        pass


def test_a_killed_process_leaves_nothing_under_the_final_name(tmp_path: Path):
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from filmgrid.data.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half')\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    final = tmp_path / "out.txt"
    command = [sys.executable, "-c", program, str(final)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert process.returncode == (-signal.SIGKILL if os.name == "posix" else 1)
    assert not final.exists()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.txt.part-")
