export const TARGET: URL;
export function allPasswords(): string[];
