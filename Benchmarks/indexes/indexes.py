"""Indexes of the same specification, Tessera's and faiss-cpu's by turns: recall and speed.

With --curves: for many numbers of probes, beside rabitqlib too, as a page with charts.
"""

import argparse
import tempfile

import faiss

import curves
import machine
import table
from sets import SETS


def arguments():
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tessera", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--curves", action="store_true", help="measure curves, with rabitqlib too")
    parser.add_argument("--rounds", type=int, help="measurements of each (5; of curves 3)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="CPU threads (all)")
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--only", nargs="+", help="specifications with one of these texts")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--out", help="the page to write (.md) instead of results/<date>-...")
    parser.add_argument(
        "--repeat", type=int, default=4, help="searches in each process of Tessera's (4)")
    more = parser.add_argument_group("with --curves")
    more.add_argument("--probes", type=int, nargs="+", help="lists to look at (1 2 4 ... 256)")
    more.add_argument("--bits", type=int, nargs="+", help="bits of rabitqlib's codes (4 5)")
    more.add_argument("--rows", type=int, help="take only the first rows of each set")
    more.add_argument("--queries", type=int, help="ask only the first queries of each set")
    options = parser.parse_args()
    only_curves = ["probes", "bits", "rows", "queries"]
    if not options.curves and any(getattr(options, name) is not None for name in only_curves):
        parser.error(f"--{', --'.join(only_curves)} are for --curves")
    options.rounds = options.rounds or (3 if options.curves else 5)
    options.probes = options.probes or curves.PROBES
    options.bits = options.bits or curves.BITS
    return options


def main():
    options = arguments()
    faiss.omp_set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        (curves if options.curves else table).run(options, folder)


main()
