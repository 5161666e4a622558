"""The programs that are measured."""

from __future__ import annotations

from eval.judge.compiler import compile_program
from eval.judge.spec import CompileError, CompileOptions, Limits, Program

# OJBench's flags and limits.
OPTIONS = CompileOptions(
    "cpp",
    ("-Wall", "-DONLINE_JUDGE", "-O2", "-lm", "-march=native", "-fmax-errors=5", "-s"),
    "c++17",
)
LIMITS = Limits(cpu_seconds=10, wall_seconds=30, memory_mb=1024, output_kb=24 << 10, processes=64)

HELLO = '#include <cstdio>\nint main() { puts("hello"); }\n'

SORT_CPP = """#include <bits/stdc++.h>
using namespace std;
int main() {
    int n; cin >> n;
    vector<int> a(n);
    for (int &x : a) cin >> x;
    sort(a.begin(), a.end());
    for (int x : a) cout << x << ' ';
}
"""
SORT_PYTHON = """
import sys
from typing import List
from collections import defaultdict

class Solution:
    def sortArray(self, numbers: List[int]) -> List[int]:
        return sorted(numbers)

n = int(input())
print(*Solution().sortArray(list(map(int, input().split()))))
"""
SPIN = """#include <cstdio>
#include <cstdlib>
int main() {
    long n; if (scanf("%ld", &n) != 1) return 1;
    static unsigned a[1 << 15];
    unsigned x = 1;
    for (long i = 0; i < n; i++) { x = x * 1664525u + 1013904223u; a[x >> 17] += x; }
    printf("%u", a[5]);
}
"""


def sort_test(size: int, seed: int) -> tuple[bytes, bytes]:
    """Input and expected output of the sorting programs."""
    numbers = [(i * 7919 + seed * 104_729) % 1_000_003 for i in range(size)]
    given = f"{size}\n{' '.join(map(str, numbers))}\n"
    return given.encode(), " ".join(map(str, sorted(numbers))).encode()


def build(source: str, options: CompileOptions = OPTIONS) -> Program:
    program = compile_program(source, options)
    assert not isinstance(program, CompileError), program.message
    return program
