/** The line that names a cell: its first one that does something, be it an import. */
export function firstLine(source: string): string | null {
  const lines = source
    .slice(0, 2000)
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');
  const code = lines.filter(line => !/^(#|%%)/.test(line));
  return code.find(line => !/^(import|from) /.test(line)) ?? code[0] ?? lines[0] ?? null;
}
