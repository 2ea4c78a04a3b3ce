//! Any other system: the portable part of each face, and "not on this system" for the rest.
