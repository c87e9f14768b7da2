/** A text table laid out like runc's by Go's tabwriter: columns at least 12 wide, three spaces between them. */

const minWidth = 12;
const padding = 3;

/** One line per row, each with a newline. The last column is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? minWidth, [...cell].length + padding);
    });
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column < row.length - 1 ? pad(cell, widths[column] ?? 0) : cell)).join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(0, width - [...cell].length));
}
