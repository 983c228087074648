-- RFC 8301 3.1: a verifier must not take a signature by rsa-sha1 for valid. OpenDKIM has no setting for that, and
-- shows a script everything of a signature but its algorithm. So before anything is verified, OpenDKIM is given
-- such a field with an algorithm that nobody knows. What is delivered has the field as it came.
local name = "DKIM-Signature"
local n = 0
local field = odkim.get_header(ctx, name, n)
while field ~= nil do
	-- Blanks mean nothing in any tag that is read here (RFC 6376 3.2).
	local tags, refused = {}, false
	for tag in field:gsub("%s", ""):gmatch("[^;]+") do
		if tag:lower() == "a=rsa-sha1" then
			tag, refused = "a=rsa-sha1-refused", true
		end
		tags[#tags + 1] = tag
	end
	if refused then
		odkim.replace_header(ctx, name, n, table.concat(tags, "; "))
	end
	n = n + 1
	field = odkim.get_header(ctx, name, n)
end
return nil
