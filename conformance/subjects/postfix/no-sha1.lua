-- Signatures by rsa-sha1 are ignored: RFC 8301 3.1 forbids to verify them.
for index = 1, odkim.get_sigcount(ctx) or 0 do
    local field = odkim.get_header(ctx, "DKIM-Signature", index - 1)
    if field ~= nil and string.match(field, "%f[%w]a%s*=%s*rsa%-sha1%f[%W]") then
        odkim.sig_ignore(odkim.get_sighandle(ctx, index - 1))
    end
end
return nil
