# SPDX-License-Identifier: Apache-2.0
"""What every server of the family has to go through, whichever tables it has."""

from maria_bank import check_tables, client_program


def checksums(region, tables):
    with region.connect() as connection:
        return connection.execute(f"CHECKSUM TABLE {', '.join(tables)}")


def crash_detach_and_restart(region, tables, late_row, check_program=client_program("mariadb-check")):
    """SIGKILL, a cold cache, a lost zone, a stop and a start: no row changes but `late_row`, a statement that runs without the zone."""
    before = checksums(region, tables)
    region.fault("crash-writer")
    assert checksums(region, tables) == before
    region.command("volume", "detach-cache")
    region.wait_available()
    assert checksums(region, tables) == before
    region.fault("kill-az", "b")
    with region.connect() as connection:
        connection.execute(late_row)
    after = checksums(region, tables)
    assert after != before
    region.heal()
    region.down()
    region.up()
    assert checksums(region, tables) == after
    check_tables(region.url, ("mysql", "t"), check_program)
