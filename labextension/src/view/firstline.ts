/** The line that names a cell: its first one that does something. */
export function firstLine(source: string): string | null {
  const lines = source
    .slice(0, 2000)
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');
  return lines.find(line => !/^(#|%%)/.test(line)) ?? lines[0] ?? null;
}
