"""What people call late."""

from corridor.codes import Mode

LATE_BY = {
    # air: the second step of the US DOT's
    Mode.AIR: 30.0,
    Mode.TRUCK: 60.0,
    Mode.RAIL: 60.0,
    Mode.BARGE: 240.0,
    Mode.VESSEL: 720.0,
}
"""Minutes by which an arrival has to be later than planned to count as late."""
