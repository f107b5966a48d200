//! Claims about real clients: each gets its bytes over the wire, and the meter counts what it pulled.
