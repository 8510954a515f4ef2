/** Bytes in a row: as many as fit with their text beside them on a phone. */
export const ROW_BYTES = 8;

export type HexRow =
  | { kind: "bytes"; offset: number; hex: string[]; text: string }
  | { kind: "repeated"; offset: number; rowCount: number; byte: string };

/**
 * Lays out a flash image in rows of 8 bytes. Runs of rows that hold one and the same byte (erased flash is all FF)
 * become a single line, so that what is written stands out.
 */
export function hexRows(image: Uint8Array): HexRow[] {
  const rows: HexRow[] = [];
  for (let offset = 0; offset < image.length; offset += ROW_BYTES) {
    const bytes = image.subarray(offset, offset + ROW_BYTES);
    const filler = uniformByte(bytes);
    const previous = rows.at(-1);
    if (filler === undefined) {
      rows.push({ kind: "bytes", offset, hex: Array.from(bytes, toHex), text: toText(bytes) });
    } else if (previous?.kind === "repeated" && previous.byte === filler) {
      previous.rowCount += 1;
    } else {
      rows.push({ kind: "repeated", offset, rowCount: 1, byte: filler });
    }
  }
  return rows;
}

export function toOffset(offset: number): string {
  return offset.toString(16).padStart(6, "0");
}

function uniformByte(bytes: Uint8Array): string | undefined {
  const first = bytes[0];
  if (first === undefined || bytes.length < ROW_BYTES) return undefined;
  return bytes.every((byte) => byte === first) ? toHex(first) : undefined;
}

function toHex(byte: number): string {
  return byte.toString(16).padStart(2, "0").toUpperCase();
}

function toText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
}
