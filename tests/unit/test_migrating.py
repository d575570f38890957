import pytest

from message_tracking.errors import ConfigurationError
from message_tracking.migrating import read_migrations
from message_tracking.settings import Settings


def test_the_projects_migrations_are_numbered_without_holes():
    migrations = read_migrations(Settings.from_environment().migrations)
    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))
    assert migrations[0].name == "0001_schemas_and_roles"


def test_files_of_other_names_are_no_migrations(tmp_path):
    for name in ("0002_b.sql", "0001_a.sql", "0003_c.sql.orig", "README.md", "1_d.sql"):
        (tmp_path / name).write_text("select 1")
    assert [migration.name for migration in read_migrations(tmp_path)] == ["0001_a", "0002_b"]


def test_the_checksum_does_not_depend_on_line_endings(tmp_path):
    (tmp_path / "0001_a.sql").write_bytes(b"select 1;\nselect 2;\n")
    (tmp_path / "0002_a.sql").write_bytes(b"select 1;\r\nselect 2;\r\n")
    (tmp_path / "0003_a.sql").write_bytes(b"select 1;\nselect 3;\n")
    one, other, changed = (migration.checksum for migration in read_migrations(tmp_path))
    assert one == other != changed


def test_two_migrations_of_one_number_are_refused(tmp_path):
    for name in ("0001_a.sql", "0002_b.sql", "0002_c.sql"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigurationError, match="0002"):
        read_migrations(tmp_path)


def test_a_folder_without_migrations_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        read_migrations(tmp_path)
