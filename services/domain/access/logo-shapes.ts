/** A PNG in a data URL (RFC 2397), at most 24 KB of image. */
export const LOGO_LENGTH_MAX = 32_768;
export const LOGO = /^data:image\/png;base64,[A-Za-z0-9+/]+={0,2}$/;
