"""Tables: as parquet that carries a checksum and stays readable by anybody, and as CSV."""

import csv
import io
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .files import DamagedError, Folder
from .shards import DIGEST_BYTES

__all__ = ["as_csv", "read_table", "seal_of", "write_table"]

SEAL = b"visualwords.crc32"
ROWS_AT_A_TIME = 1 << 16
NO_COLUMNS = pa.schema([])
# A table of ours takes more than a byte a row, and repeats itself less.
SMALL, BOMB_RATIO = 1 << 26, 1000


def write_table(folder: Folder, name: str, table: pa.Table) -> str:
    """Write a table, with a checksum of its name and values in its metadata; return this seal."""
    seal = seal_of(name, table)
    metadata = {**(table.schema.metadata or {}), SEAL: seal.encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    folder.write(name, buffer.getvalue())
    return seal


def read_table(
    folder: Folder, name: str, schema: pa.Schema = NO_COLUMNS, seal: str | None = None
) -> pa.Table:
    """Read a table that :func:`write_table` wrote.

    Parameters
    ----------
    folder : Folder
    name : str
    schema : pyarrow.Schema
        The columns that the table must have, at least, and their types.
    seal : str, optional
        What :func:`write_table` returned, where it must be that table and no other.

    Raises
    ------
    DamagedError
        If the file is not what was written there.
    """
    data = folder.read(name)
    try:
        _check_size(data)
        # Threads of Arrow that still read when a short command ends would abort the process.
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        table.validate(full=True)
        found = (table.schema.metadata or {}).get(SEAL, b"").decode()
        is_sound = found == seal_of(name, table) and seal in (None, found)
        _check_columns(table, schema)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise DamagedError(
            f"{folder.path(name)}: damaged, or not a table of visualwords"
        ) from error
    if not is_sound:
        raise DamagedError(f"{folder.path(name)}: the checksum is wrong")
    return table


def as_csv(table: pa.Table) -> bytes:
    """Return a table as CSV in UTF-8."""
    columns = [column.to_pylist() for column in table.columns]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([table.column_names, *zip(*columns, strict=True)])
    return buffer.getvalue().encode()


def _check_size(data: bytes) -> None:
    """Refuse a table that unpacks to far more than any of ours, by what its footer says."""
    footer = pq.read_metadata(pa.BufferReader(data))
    n_bytes = sum(footer.row_group(k).total_byte_size for k in range(footer.num_row_groups))
    if footer.num_rows > max(SMALL, len(data)) or n_bytes > max(SMALL, BOMB_RATIO * len(data)):
        raise ValueError("a decompression bomb")


def _check_columns(table: pa.Table, schema: pa.Schema) -> None:
    for field in schema:
        if table.schema.field(field.name).type != field.type:
            raise TypeError(f"column {field.name}: expected {field.type}")
    if "digest" in table.column_names:
        lengths = pc.unique(pc.binary_length(table["digest"].drop_null())).to_pylist()
        if lengths not in ([], [DIGEST_BYTES]):
            raise ValueError("column digest: not digests")


def seal_of(name: str, table: pa.Table) -> str:
    """Return the CRC-32 of a name, and of the names, the nulls and the values of all columns.

    So many rows at a time, whatever the chunks of the table are, so that little memory is used.
    """
    seal = zlib.crc32(f"{name} {table.num_rows}".encode())
    for column_name in table.column_names:
        seal = zlib.crc32(column_name.encode(), seal)
        for start in range(0, table.num_rows, ROWS_AT_A_TIME):
            column = table.column(column_name).slice(start, ROWS_AT_A_TIME).combine_chunks()
            is_valid = column.is_valid().to_numpy(zero_copy_only=False)
            seal = zlib.crc32(np.packbits(is_valid).data, seal)
            for values in _values(column):
                seal = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, seal)
    return str(seal)


def _values(column: pa.Array) -> list[np.ndarray]:
    """Return arrays that hold the values of a column, whatever its buffers look like."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        filled = pc.fill_null(column, "" if pa.types.is_string(column.type) else b"")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False)
        data = filled.buffers()[2]
        offsets = np.frombuffer(filled.buffers()[1], np.int32)
        start, stop = offsets[filled.offset], offsets[filled.offset + len(filled)]
        return [lengths, np.frombuffer(data, np.uint8)[start:stop] if data else np.empty(0, "u1")]
    if pa.types.is_dictionary(column.type):  # its codes may be others when it is read again
        return _values(column.cast(column.type.value_type))
    if pa.types.is_fixed_size_binary(column.type):
        return _values(column.cast(pa.binary()))
    return [pc.fill_null(column, 0).to_numpy(zero_copy_only=False)]
