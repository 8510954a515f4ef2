/** Characters of a file's name that the server takes. Source: `UploadFirmware` of the API. */
const FILE_NAME_LEN_MAX = 80;

/** The name under which a file is uploaded: a long one loses its beginning, so that its version and ending stay. */
export function uploadName(name: string): string {
  return Array.from(name).slice(-FILE_NAME_LEN_MAX).join("");
}
