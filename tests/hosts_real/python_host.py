"""CPython with threads and children of its own: python_host.py LIBRARY HELPER

Also run by embed_host.c, a program that embeds CPython; its module is named program.
"""
import ctypes
import subprocess
import sys
import threading

try:
    import program
except ImportError:
    program = None

real = ctypes.CDLL(sys.argv[1])
for name in "begin", "calls", "end":
    getattr(real, "real_host_" + name).restype = ctypes.c_char_p

wrong = []


def check(said):
    if said != b"ok":
        wrong.append(said.decode())


def has_children():
    for number in range(30):
        got = subprocess.run(["sh", "-c", f"echo {number}; exit {number}"], capture_output=True, text=True)
        if got.returncode != number or got.stdout != f"{number}\n":
            wrong.append(f"the host's own child: {got}")


check(real.real_host_begin(sys.argv[2].encode()))
threads = [threading.Thread(target=lambda: check(real.real_host_calls())) for _ in range(2)]
if program:
    threads.append(threading.Thread(target=lambda: [check(program.double(n)) for n in range(200)]))
threads.append(threading.Thread(target=has_children))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
check(real.real_host_end())
sys.exit("\n".join(wrong) or 0)
