"""Parquet files that carry a checksum of their content, and stay readable by anybody."""

import io
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .files import DamagedError, Folder

__all__ = ["read_table", "write_table"]

SEAL = b"visualwords.crc32"
ROWS_AT_A_TIME = 1 << 16


def write_table(folder: Folder, name: str, table: pa.Table) -> None:
    """Write a table, with a checksum of its values in the metadata of its schema."""
    metadata = {**(table.schema.metadata or {}), SEAL: str(_checksum(table)).encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    folder.write(name, buffer.getvalue())


def read_table(folder: Folder, name: str, schema: pa.Schema) -> pa.Table:
    """Read a table that :func:`write_table` wrote.

    Parameters
    ----------
    folder : Folder
    name : str
    schema : pyarrow.Schema
        The columns that the table must have, at least, and their types.

    Raises
    ------
    DamagedError
        If the file is not what was written there.
    """
    data = folder.read(name)
    try:
        table = pq.read_table(pa.BufferReader(data))
        metadata = table.schema.metadata or {}
        is_sound = metadata.get(SEAL, b"").decode() == str(_checksum(table))
        is_sound &= all(table.schema.field(field.name).type == field.type for field in schema)
    except (pa.ArrowException, OSError, KeyError, ValueError, MemoryError) as error:
        raise DamagedError(
            f"{folder.path(name)}: damaged, or not a table of visualwords"
        ) from error
    if not is_sound:
        raise DamagedError(f"{folder.path(name)}: the checksum is wrong")
    return table


def _checksum(table: pa.Table) -> int:
    """Return the CRC-32 of the names, the nulls and the values of all columns.

    So many rows at a time, whatever the chunks of the table are, so that little memory is used.
    """
    seal = zlib.crc32(str(table.num_rows).encode())
    for name in table.column_names:
        seal = zlib.crc32(name.encode(), seal)
        for start in range(0, table.num_rows, ROWS_AT_A_TIME):
            column = table.column(name).slice(start, ROWS_AT_A_TIME).combine_chunks()
            is_valid = column.is_valid().to_numpy(zero_copy_only=False)
            seal = zlib.crc32(np.packbits(is_valid).data, seal)
            for values in _values(column):
                seal = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, seal)
    return seal


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
