"""Three quarters of a minute of what tests/soak does for half an hour."""
import os
import sys

import program
from program import ProgramTest, SOURCE

sys.path.insert(0, str(SOURCE / "tests" / "soak"))
import soak  # noqa: E402


class Soak(ProgramTest):
    def test_right_answers_and_all_pages_beside_clients_that_do_their_worst(self):
        # In so short a time memory is not settled; sanitizers keep what was freed for a while.
        growth = None if os.environ.get("ISSUN_SANITIZE") else 0.05
        figures = soak.soak(0.75, 7, growth)
        print(figures)
        self.assertEqual(figures["faults"], [])


if __name__ == "__main__":
    program.main()
