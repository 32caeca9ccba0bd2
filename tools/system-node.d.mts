export function isLaterRelease(system: string, packaged: string): boolean;
export function takeLaterNode(where: {
  readonly packageFolder: string;
  readonly path: string;
  readonly say: (text: string) => void;
}): void;
