type Output = { write(text: string): unknown };

export function main(
  args: readonly string[],
  output?: { readonly stdout: Output; readonly stderr: Output },
): Promise<number>;
