"""``python -m filmgrid``: the command line."""

from filmgrid.cli import main

if __name__ == "__main__":
    main()
