"""The claims of both papers, and choices of ours, in miniature: see ``docs/ablation.md``.

    python -m benchmarks.ablation run        # trains and scores what is still missing; hours
    python -m benchmarks.ablation report     # brings docs/ablation.md up to date

A network of a million weights on 32 px cells, on flat things of the world. Everything that one
question compares is trained with the same steps, data and draws, or, where networks differ in
cost, with steps in proportion; three seeds each. Scores of every scene are kept in ``results``.
"""
