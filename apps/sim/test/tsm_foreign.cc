// A library that was in nobody's measurement.
extern "C" int ensconce_foreign_code();
int ensconce_foreign_code() { return 1; }
