"""Who is to blame for an exception out of generated code: the innermost place of the spec that its traceback goes through."""

import errno
from types import CodeType, FrameType, TracebackType

from ..dsl.span import Loc, Span
from .executable import Executable

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
NO_PLACE = {errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO}
WRITING = FULL | FORBIDDEN | NO_PLACE


def blamed(error: BaseException, exe: Executable) -> Span | None:
    """The place in the spec, none if the exception did not come out of generated code."""
    found: Span | None = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name in exe.sources:
            found = _span(trace, name)
        trace = trace.tb_next
    return found


def _span(trace: TracebackType, name: str) -> Span:
    return _position(trace.tb_frame.f_code, trace.tb_lasti, trace.tb_lineno, name)


def span_of_frame(frame: FrameType) -> Span:
    """The place that a frame of generated code is at."""
    return _position(frame.f_code, frame.f_lasti, frame.f_lineno, frame.f_code.co_filename)


def _position(code: CodeType, instruction: int, number: int, name: str) -> Span:
    line, end_line, column, end_column = list(code.co_positions())[instruction // 2]
    start = Loc(line or number, (column or 0) + 1)
    return Span(name, start, Loc(end_line or start.line, (end_column or start.column) + 1))


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory is used up, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text or "out of memory" in text


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, for a sentence."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
