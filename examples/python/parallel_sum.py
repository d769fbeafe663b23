"""How does a Python program call a C library that must not be used on both sides of a fork?

    parallel_sum.py LIBRARY [HELPER [CALLS]]

LIBRARY is parallel_sum.c, built as a shared library. HELPER is libforkcall's forkcall-helper; left
out: the one that is installed. The program has threads, and has used OpenMP itself, so a fork would
hang in OpenMP. libforkcall refuses it. With forkcall_use_helper() each call runs in a clean process.
Exit status 0: everything was as expected.
"""
import ctypes
import os
import sys
import threading

library = ctypes.CDLL(sys.argv[1])
library.sum_here.restype = ctypes.c_int64


class CallFailed(Exception):
    pass


def sum_isolated(last):
    total = ctypes.c_int64()
    message = ctypes.create_string_buffer(300)
    status = library.sum_isolated(ctypes.c_int64(last), ctypes.byref(total), message, ctypes.c_size_t(len(message)))
    if status != 0:
        raise CallFailed(message.value.decode())
    return total.value


def main():
    helper = sys.argv[2].encode() if len(sys.argv) > 2 else None
    calls = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        print("in this process:", library.sum_here(ctypes.c_int64(1000)))
        try:
            sys.exit(f"without the helper: {sum_isolated(1000)}, although a fork is not safe")
        except CallFailed as failure:
            print("without the helper:", failure)
        error = library.use_helper(helper)
        if error != 0:
            sys.exit(f"forkcall_use_helper: {os.strerror(-error)}")
        for last in range(1, calls + 1):
            if sum_isolated(last) != last * (last + 1) // 2:
                sys.exit(f"with the helper: a wrong sum of the numbers up to {last}")
        print(f"with the helper: {calls} right answers, the last one {sum_isolated(calls)}")
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
