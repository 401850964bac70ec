"""OpenAI's JSON: everything that knows what a request, a reply, a chunk or an error looks like.

Pure: values in, values or bytes out. No Flask, no sockets, no clock; ids and times are
passed in as a `Stamp`.
"""
