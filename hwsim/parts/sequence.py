"""The order of tokens."""

from hwsim.parts import INPUT, MOVED, Integers
from hwsim.parts.wires import Wires, take, then_offer
from models.compiled import inlined

(
    _IDLE, _PROMPT, _PREFIX, _RESULT, _ROW, _ASK_ROW, _WRITTEN, _ASK_STREAM,
    _LAST_RESULT, _LAST_WRITTEN,
) = range(10)  # fmt: skip
PHASE, BEGUN, REQUESTED, FINISHED, DONE = range(5)


@inlined
def sequence(
    io: Integers, p: Integers, s: Integers, w: Wires, tables: Integers, reads: Integers, edge: int
) -> int:
    """Tokens one after the other.

    p: tokens in all, of the prompt, from when on it is offered, whether the state is in memory;
    words of a row, of the stream, of its prefix, of the largest burst; where in a largest burst the
    row of each token begins. s: what is waited for, words of the stream that are asked for, tokens
    that are asked for, those whose result is known, whether the run is done. `reads`: where in a
    largest burst what is asked for begins, its words.
    """
    results, out = io[0], io[1]
    written = not (w.valid[io[2]] or w.valid[io[3]] or w.valid[io[4]])
    phase, through, came = s[PHASE], s[FINISHED], w.valid[results]
    take(w, results, came)
    s[FINISHED] += came
    if phase == _IDLE:
        s[PHASE] = _PROMPT
    elif phase == _PROMPT:
        s[BEGUN] = 0
        if edge >= p[2]:
            s[PHASE] = _ROW
    elif phase == _PREFIX:
        s[BEGUN] = p[6]
        if w.ready[out]:
            s[PHASE] = _RESULT
    elif phase == _RESULT:
        if through == s[REQUESTED]:
            s[PHASE] = _ROW
    elif phase == _ROW:
        s[PHASE] = _ASK_ROW
    elif phase == _ASK_ROW:
        if w.ready[out]:
            s[PHASE] = _WRITTEN if p[3] else _ASK_STREAM
    elif phase == _WRITTEN:
        if through == s[REQUESTED] and written:
            s[PHASE] = _ASK_STREAM
    elif phase == _ASK_STREAM:
        if w.ready[out]:
            s[REQUESTED] += 1
            if s[REQUESTED] == p[0]:
                s[PHASE] = _LAST_RESULT
            else:
                s[PHASE] = _PROMPT if s[REQUESTED] < p[1] else _PREFIX
    elif phase == _LAST_RESULT:
        if came and through + 1 == p[0]:
            s[PHASE], s[DONE] = _LAST_WRITTEN, not p[3]
    elif written:
        s[DONE] = 1
    if s[PHASE] == _PREFIX:
        reads[0], reads[1] = 0, p[6]
    elif s[PHASE] == _ASK_ROW:
        reads[0], reads[1] = tables[p[8] + s[REQUESTED]], p[4]
    elif s[PHASE] == _ASK_STREAM:
        reads[0], reads[1] = s[BEGUN] % p[7], p[5] - s[BEGUN]
    then_offer(w, out, s[PHASE] == _PREFIX or s[PHASE] == _ASK_ROW or s[PHASE] == _ASK_STREAM)
    return INPUT | MOVED if came or s[PHASE] != phase or phase == _PROMPT else INPUT
