"""Cycles of a head whose state goes back to memory, in bursts that wait for each other's ends."""

from typing import Any

from hwsim.passes.plan import QUEUED
from hwsim.passes.port import NEXT, WRITTEN_NEXT, Port
from hwsim.passes.words import SHORTEST, Words, per_word, span
from models.compiled import inlined


@inlined
def written_back(net: Any, d: Any, u: Any, w: Words, port: Port, each: float) -> float:
    """Cycles of a head, `each` if nothing waited, whose state goes back in bursts.

    Of a burst, the master waits for the response; of those behind, it takes as many as may be
    outstanding, and what comes meanwhile waits in the word that is packed and the one before.
    """
    burst, bursts = port.burst, 1 + (w.state - 1) / port.burst
    latency = d.latency + WRITTEN_NEXT
    answered = bursts * latency + (w.state - bursts) * port.per_word
    if d.naive:
        turns = _in_turns(d, u, w, port, net.heads, each, bursts)
    else:
        turns = bursts * _among_reads(net, d, w, port, each)
        waited = max(0.0, 1 - port.outstanding / (net.heads * bursts))  # nothing for the last ones
        answered, turns = answered * waited, turns * waited
    packed = bursts * (2 * per_word(u.state, w.width) - 1)
    cycles = (each + answered + turns) * port.share - packed
    # Of a head, the first burst and the last are short: less time to answer the one before.
    filled = burst * each / w.state
    late = latency + (burst - 1) * port.per_word + turns / bursts - (port.outstanding - 2) * filled
    if port.outstanding > 1 and bursts > 2 and 0 < late < filled:
        each += late**2 / (2 * filled)
    return max(each, cycles)


@inlined
def _among_reads(net: Any, d: Any, w: Words, port: Port, each: float) -> float:
    """Cycles for which a burst that is written at any time waits for one that is read: half of what
    that takes, as often as there is one.
    """
    words = 2 * net.head_dim / d.rows * (w.in_scales + w.in_weights) + w.state_packet
    often = min(words / each, port.outstanding * port.burst / port.period) / port.burst
    return often * (port.burst * port.per_word) ** 2 / 2


@inlined
def alone(d: Any, u: Any, w: Words, port: Port, each: float) -> float:
    """Cycles of a head's scan, `each` if nothing waited, whose state comes and goes as it is
    scanned, while the port reads nothing else.

    Where a head's state begins in a burst differs from head to head, and with it whether its words
    lie in one burst more.
    """
    burst, several = port.burst, per_word(u.state, w.width)
    filled, bursts = burst * each / w.state, 1 + (w.state - 1) / burst
    wait = d.latency + WRITTEN_NEXT + (burst - 1) * port.per_word - (2 * several - 1)
    wait += _in_turns(d, u, w, port, 1, each, bursts) * burst / w.state_packet
    wait -= (port.outstanding - 1) * filled
    read = max(0.0, port.period * port.share - filled)
    # What waits for the last response is in the pipeline of the scan, which is through.
    within = (u.update + u.scan_quantize + SHORTEST * span(u.state, w.width)) // several
    words = max(0, w.state - 1 - within)
    fewer = words // burst
    share = words / burst - fewer
    each += (1 - share) * _answered(port, fewer, wait, read, (1 - share) / 2)
    return each + share * _answered(port, fewer + 1, wait, read, 1 - share / 2)


@inlined
def _answered(port: Port, bursts: int, wait: float, read: float, lacking: float) -> float:
    """Cycles for which `bursts` behind a head's first wait for responses, one after the other.

    Each waits for that to the one `outstanding` before: `wait` cycles, but for what the first burst
    is `lacking` to a whole one. What is not in step with the first comes when it is read, `read`
    cycles behind the one before.
    """
    answers = bursts // port.outstanding
    ahead = bursts - answers * port.outstanding
    if answers == 0:
        return 0.0
    if ahead == 0:
        return max(0.0, answers * wait - lacking * port.burst * port.per_word)
    return max(0.0, answers * wait + ahead * read)


@inlined
def _in_turns(
    d: Any, u: Any, w: Words, port: Port, heads: int, each: float, bursts: float
) -> float:
    """Cycles of a head in which bursts that are written wait for one that is read.

    Words are read as far ahead as there is room, and when there is none, a burst follows the scan.
    """
    width, pace, served = w.width, each / w.state, port.burst * port.per_word
    beat = span(u.state, width)
    ahead = float(d.buffers * w.state_packet if d.buffers > 1 else SHORTEST * beat)
    ahead += (u.update + u.scan_quantize) * beat // per_word(u.state, width)
    reads, asked = w.state_packet / port.burst, NEXT - ahead % port.burst * pace
    following = reads * max(0.0, served + asked)
    if port.outstanding > 1:
        return following
    if ahead < port.burst:
        # A beat that lies in two bursts: the one written waits for the next that is read.
        through = d.latency + u.update + u.scan_quantize + QUEUED
        return following + reads * (1 - 1 / beat) * max(0.0, through - max(served, -asked))
    # Ahead: a read is served while a burst is filled, whole or at a part's end.
    whole = max(0.0, bursts - 2)
    part = (w.state - whole * port.burst) / (bursts - whole)
    idle = WRITTEN_NEXT + d.latency
    free = whole * max(0.0, served - port.burst * pace - idle)
    free += (bursts - whole) * max(0.0, served - part * pace - idle)
    gained = max(1.0, (bursts - reads) * port.burst)
    share = min(1.0, (ahead - port.burst) / gained / heads)
    return share * free + (1 - share) * following
