/** A size as "512 B", "39.1 kB" or "1.2 MB", in steps of 1,000. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 999_950) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Says that a file is larger than what the server takes, or nothing. Sent anyway, it would break off without an answer. */
export function tooLargeText(file: { name: string; size: number }, bytesMax: number): string | null {
  if (file.size <= bytesMax) return null;
  return `${file.name} has ${sizeText(file.size)}; the server takes at most ${sizeText(bytesMax)}.`;
}
