/** A text from the address, or nothing when it is missing or of another kind. */
export function asText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

/** Whether every word of `query` occurs in one of the texts, whatever its case. */
export function matchesSearch(query: string, texts: (string | null | undefined)[]): boolean {
  const haystack = texts.filter(Boolean).join("\n").toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}
