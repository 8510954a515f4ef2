/** Characters of a file's name that the server takes. Source: `UploadFirmware` of the API. */
const FILE_NAME_LEN_MAX = 80;

/** The name under which a file is uploaded: a long one loses its beginning, so that its version and ending stay. */
export function uploadName(name: string): string {
  return Array.from(name).slice(-FILE_NAME_LEN_MAX).join("");
}

/** A size as "512 B", "39.1 kB" or "1.2 MB", in steps of 1,000. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 999_950) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
