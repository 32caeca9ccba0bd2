// biome-ignore lint/style/noNamespace: Astro reads the types of `locals` from here.
declare namespace App {
  type Claims = import('@sallyport/verifier').AccessTokenClaims;

  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with Astro's.
  interface Locals {
    /** What the access token of the request says; set by the middleware for paths below `/api`. */
    claims: Claims;
  }
}
