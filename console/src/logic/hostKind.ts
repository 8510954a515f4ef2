/** Whether a host names the machine itself, which no board on the network can reach. */
export function isThisMachineOnly(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\./.test(host);
}
