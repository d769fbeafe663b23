"""The whole promise in a Python program: article.py LIBRARY HELPER COPY [CALLS]

LIBRARY is examples/python/parallel_sum.c, whose OpenMP hangs after a fork. This program has threads
and has used OpenMP itself. CALLS times it gets the right sum by forkcall-helper, whose spares
load the library before the call (load_early). Beside it runs COPY, a C program that does the same with forkcall_init(), so by a
copy of itself; both take turns, and the times of a call are printed. They are not judged, because
other programs run as well. Exit status 0: every answer was right.
"""
import ctypes
import statistics
import subprocess
import sys
import threading
import time

ROUNDS = 20
REST_S = 0.001  # between some calls, as in a program that has other things to do

library = ctypes.CDLL(sys.argv[1])
library.sum_here.restype = ctypes.c_int64
total = ctypes.c_int64()
message = ctypes.create_string_buffer(300)


def call(last):
    """Returns how many microseconds the call took."""
    begin = time.perf_counter()
    status = library.sum_isolated(ctypes.c_int64(last), ctypes.byref(total), message, ctypes.c_size_t(len(message)))
    took = (time.perf_counter() - begin) * 1e6
    if status != 0 or total.value != last * (last + 1) // 2:
        sys.exit(f"the sum of 1 to {last}: status {status}, {total.value}: {message.value.decode()}")
    return took


class Copy:
    """The other program, which makes a round of calls for each line that it reads."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self, calls, rest_s):
        self.process.stdin.write(f"{calls} {round(rest_s * 1e6)}\n")
        self.process.stdin.flush()
        return [float(self.process.stdout.readline()) for _ in range(calls)]


def main():
    calls = int(sys.argv[4]) if len(sys.argv) > 4 else 10000
    copy = Copy(sys.argv[3])
    library.sum_here(ctypes.c_int64(1000))
    status = library.sum_isolated(ctypes.c_int64(9), ctypes.byref(total), message, ctypes.c_size_t(len(message)))
    if status == 0:
        sys.exit("a fork was not refused beside threads")
    if library.use_helper(sys.argv[2].encode()) != 0:
        sys.exit("no helper")
    if library.start_server() != 0:
        sys.exit("no server")
    for rest_s, count in (0, calls), (REST_S, calls // 20):
        by_helper, by_copy = [], []
        for _ in range(ROUNDS):
            by_copy += copy.round(count // ROUNDS, rest_s)
            for last in range(count // ROUNDS):
                by_helper.append(call(last))
                time.sleep(rest_s)
        print(f"{len(by_helper)} right answers {'without rest' if rest_s == 0 else 'with a rest between'}: a call takes "
              f"{statistics.median(by_helper):.0f} us by the helper, {statistics.median(by_copy):.0f} us by a copy (medians)")
    copy.process.stdin.close()
    if copy.process.wait() != 0:
        sys.exit("the copy has failed")


if __name__ == "__main__":
    done = threading.Event()
    threading.Thread(target=done.wait).start()
    try:
        main()
    finally:
        done.set()
