"""What a soak is held to, and what its clients saw."""

import operator
import sys
import threading

OPS = {"==": operator.eq, "<=": operator.le, ">=": operator.ge}
KEPT = 20  # of what went wrong, so many in words


def bar(what, value, op, bound, of_the_machine=False):
    """One bar, said aloud. A value that was never measured (None) holds no bar. of_the_machine: a time
    or a size, which says something on a quiet machine and after a long run; elsewhere it is noted."""
    holds = value is not None and OPS[op](value, bound)
    print(f"   {what:<72} {value}  {op} {bound}: {'holds' if holds else 'does NOT hold'}",
          file=sys.stderr, flush=True)
    return {"what": what, "value": value, "op": op, "bound": bound, "holds": holds,
            "of_the_machine": of_the_machine}


class Tally:
    """Counts by name, from many threads, and the words of what must not be, the first that differ."""

    def __init__(self):
        self._lock = threading.Lock()
        self.counts = {}
        self.faults = []

    def add(self, what, number=1, fault=None):
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + number
            if fault is not None:
                words = f"{what}: {fault}"[:600]
                if len(self.faults) < KEPT and words not in self.faults:
                    self.faults.append(words)

    def highest(self, what, value):
        with self._lock:
            self.counts[what] = max(self.counts.get(what, value), value)

    def of(self, what):
        with self._lock:
            return self.counts.get(what, 0)


def percentile(values, share):
    """None of no values."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] if ordered else None
