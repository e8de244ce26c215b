#!/usr/bin/env python3
# Finds the polynomials of Kernels/cl/tensors/elementary.cl and ElementaryFunction.swift, and prints
# their coefficients and the largest error that each adds, as a power of two and relative to the
# function's value (of log with an exponent, sigmoid and so on it is less). Needs numpy and mpmath.
#
# Each is fitted by least squares whose weights follow the error (Lawson), so that it ends near the
# polynomial of least largest error; then coefficients become Float32 from the lowest on, and those that
# are left are fitted anew.
import mpmath as mp
import numpy as np

mp.mp.prec = 120


def fit(name, function, weight, low, high, count):
    """`function(x)` about as a polynomial of `count` coefficients, errors multiplied by `weight(x)`."""
    k = np.arange(600)
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (k + 0.5) / 600)
    f = np.array([float(function(mp.mpf(v))) for v in x])
    w = np.array([abs(float(weight(mp.mpf(v)))) for v in x])
    fixed = []
    while len(fixed) < count:
        powers = range(len(fixed), count)
        rest = f - sum(c * x**i for i, c in enumerate(fixed))
        a = np.stack([x**p for p in powers], 1)
        scale = np.abs(a).max(0)
        lawson = np.ones_like(x)
        best, kept = np.inf, None
        for _ in range(200):
            s = np.sqrt(lawson) * w
            c = np.linalg.lstsq(a / scale * s[:, None], rest * s, rcond=None)[0] / scale
            error = np.abs(a @ c - rest) * w
            if error.max() < best:
                best, kept = error.max(), c
            lawson *= error / error.max() + 1e-6
            lawson /= lawson.sum()
        fixed.append(float(np.float32(kept[0])))
    error = max(
        abs(sum(mp.mpf(c) * mp.mpf(v) ** i for i, c in enumerate(fixed)) - function(mp.mpf(v)))
        * abs(weight(mp.mpf(v)))
        for v in np.linspace(low, high, 4001) if v != 0)
    for i, c in enumerate(fixed):
        print(f"{name}_{i} {shortened(c)}")
    print(f"# {name}: 2^{float(mp.log(error, 2)):.2f}")


def shortened(c):
    """A hexadecimal literal without needless zeros."""
    mantissa, exponent = float(c).hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent


def parts(name, value, count, bits=24):
    """A constant as a sum of Float32, the first of them with `bits` bits."""
    for i in range(count):
        exponent = mp.floor(mp.log(abs(value), 2)) + 1
        unit = mp.mpf(2) ** (exponent - (bits if i == 0 else 24))
        part = mp.nint(value / unit) * unit
        print(f"{name}{'_' + 'ABC'[i] if count > 1 else ''} {shortened(float(part))}")
        value -= part


parts("LN2", mp.log(2), 2, bits=15)
parts("HALF_PI", mp.pi / 2, 3)
parts("LOG2_E", 1 / mp.log(2), 1)
parts("TWO_OVER_PI", 2 / mp.pi, 1)
# 1 / x on 1...2, relative.
fit("RECIPROCAL", lambda x: 1 / x, lambda x: x, 1, 2, 4)
# e^r = 1 + r + r^2 p(r).
third = 0.3468
fit("EXP", lambda r: (mp.exp(r) - 1 - r) / r**2, lambda r: r**2 / mp.exp(r), -third, third, 6)
# log(1 + f) = f - f^2 / 2 + f^3 p(f).
fit("LOG", lambda f: (mp.log(1 + f) - f + f**2 / 2) / f**3,
    lambda f: f**3 / mp.log(1 + f), -0.33334, 0.33334, 8)
# sin r = r + r^3 p(r^2), cos r = 1 - r^2 / 2 + r^4 p(r^2); z = r^2.
quarter = 0.7856**2
fit("SIN", lambda z: (mp.sin(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3,
    lambda z: mp.sqrt(z) ** 3 / mp.sin(mp.sqrt(z)), 1e-9, quarter, 4)
fit("COS", lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
    lambda z: z**2 / mp.cos(mp.sqrt(z)), 1e-9, quarter, 3)
# erf t = t + t p(t^2) below the split, 1 - e^-(t + t q(t)) above.
split = 0.921875
print(f"ERF_SPLIT {shortened(split)}")
fit("ERF", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
    lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), 1e-9, split**2, 7)
fit("ERFC", lambda t: -mp.log(mp.erfc(t)) / t - 1, lambda t: t * mp.erfc(t) / mp.erf(t),
    split - 0.001, 4, 7)
