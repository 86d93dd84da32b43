"""What can go wrong in a way that a person can mend."""


class StackError(Exception):
    """The stack cannot do what was asked; the text is one sentence for the person who asked."""
