/** Runs `work` once after `wait_ms`; the returned function calls it off. */
export function scheduleTimeout(work: () => void, wait_ms: number): () => void {
  const timer = setTimeout(work, wait_ms);
  return () => clearTimeout(timer);
}
