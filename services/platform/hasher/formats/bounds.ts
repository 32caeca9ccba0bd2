/** Memory that one verification may use. */
export const KIBIBYTES_MAX = 262_144;
