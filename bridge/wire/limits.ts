/** Sizes and depths that the D-Bus Specification fixes for every bus and every client. */

/** "Message Protocol", "Message Format": header, padding and body together. */
export const MESSAGE_MAX_BYTES = 128 * 1024 * 1024;
/** "Marshaling (Wire Format)": the length word of an array, padding before its elements excluded. */
export const ARRAY_MAX_BYTES = 64 * 1024 * 1024;
/** "Valid Signatures". */
export const SIGNATURE_MAX_LENGTH = 255;
/** "Valid Names": bus names, interfaces, members and error names. Object paths have no limit. */
export const NAME_MAX_LENGTH = 255;

/**
 * "Valid Signatures": 32 array codes and 32 parentheses. The reference implementation counts arrays
 * that follow one another directly, and dict entries in a count of their own.
 */
export const ARRAY_DEPTH_MAX = 32;
export const STRUCT_DEPTH_MAX = 32;
/** Nesting of values, variants included: "Marshaling", 32 arrays plus 32 structs. */
export const CONTAINER_DEPTH_MAX = 64;

/** SCM_MAX_FD of `include/net/scm.h`: the most descriptors that one sendmsg(2) can carry. */
export const UNIX_FDS_MAX = 253;
/** DBUS_MAXIMUM_MATCH_RULE_LENGTH of the reference implementation, "Match Rules". */
export const MATCH_RULE_MAX_LENGTH = 1024;
/** "Match Rules": arg0 to arg63. */
export const ARG_INDEX_MAX = 63;
/** The longest authentication line that dbus-daemon reads before it gives up. */
export const SASL_LINE_MAX_BYTES = 16 * 1024;

/** "Message Format": what precedes the header fields, their length word included. */
export const FIXED_HEADER_BYTES = 16;
