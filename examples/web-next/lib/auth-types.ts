export type User = { readonly id: string; readonly email: string; readonly name: string | null };

/** What `POST /api/token` answers. */
export type AccessTokenAnswer = { readonly access_token: string; readonly expires_in: number };

/** An error that the API describes (RFC 9457). `code` is for programs; the others are for people. */
export type Problem = { readonly code: string; readonly title: string; readonly detail?: string };
